// The choice of an algorithm: one list, best first. The first that fits and wins is taken.
#include <algorithm>
#include <cstdlib>
#include <mutex>

#include "fastcnn/error.h"
#include "ops/conv/choice.h"

namespace fastcnn {
namespace conv {
namespace {

constexpr const Algorithm* kAlgorithms[] = {
    &kDepthwise, &kGrouped, &kFewChannels, &kWinogradF4, &kWinogradF2, &kWinogradF3, &kDirect, &kPadded, &kReference,
};

bool is_winograd(const Algorithm& algorithm) { return std::string(algorithm.name).rfind("winograd", 0) == 0; }

/// If few tiles use the weights, their transform costs more than Winograd saves. Measured on 7 x 7 to 28 x 28 images of
/// 64 to 512 channels: it is worthwhile from a fifth to a third of a pixel per channel on.
bool repays_packing(const Shape& s) { return 4 * s.batch * s.out_pixels() >= std::min(s.channels, s.filters); }

/// The largest part determines the algorithm for all parts.
const Shape& largest(const std::vector<Phase>& phases) {
  return std::max_element(phases.begin(), phases.end(),
                          [](const Phase& a, const Phase& b) { return a.shape.flops() < b.shape.flops(); })
      ->shape;
}

bool wins(const Algorithm& algorithm, const std::vector<Phase>& phases, bool packed, int threads) {
  const Shape& shape = largest(phases);
  if (shape.taps() == 0) return true;
  if (is_winograd(algorithm) && !packed && !repays_packing(shape)) return false;
  return algorithm.fits(shape) && algorithm.wins(shape, threads);
}

// "auto", "direct", "winograd" or a name.
std::mutex mutex;
std::string& setting() {
  static std::string value = "auto";
  return value;
}

void check_setting(const std::string& name, const char* what) {
  std::string known = "auto, direct, winograd";
  for (const Algorithm* algorithm : kAlgorithms) {
    if (name == algorithm->name) return;
    known += std::string(", ") + algorithm->name;
  }
  FASTCNN_CHECK(name == "auto" || name == "winograd" || name == "direct", what, ": expected one of ", known, ", got ",
                name);
}

std::string current_setting() {
  static const bool read = [] {
    if (const char* name = std::getenv("FASTCNN_CONV_ALGORITHM")) {
      check_setting(name, "FASTCNN_CONV_ALGORITHM");
      const std::lock_guard<std::mutex> lock(mutex);
      setting() = name;
    }
    return true;
  }();
  (void)read;
  const std::lock_guard<std::mutex> lock(mutex);
  return setting();
}

}  // namespace

const std::vector<const Algorithm*>& algorithms() {
  static const std::vector<const Algorithm*> all(std::begin(kAlgorithms), std::end(kAlgorithms));
  return all;
}

const Algorithm& algorithm_named(const std::string& name, bool f64, const std::string& op) {
  std::string known;
  for (const Algorithm* algorithm : kAlgorithms) {
    if (f64 && !algorithm->f64.pack) continue;
    if (name == algorithm->name) return *algorithm;
    known += (known.empty() ? "" : ", ") + std::string(algorithm->name);
  }
  detail::fail(ErrorKind::argument, op, ": expected algorithm to be one of ", known, ", got ", name);
}

bool computes(const Algorithm& algorithm, const std::vector<Phase>& phases, bool f64) {
  if (f64 && !algorithm.f64.pack) return false;
  const auto empty = [](const Phase& phase) { return phase.empty(); };
  return std::all_of(phases.begin(), phases.end(), empty) ||
         std::any_of(phases.begin(), phases.end(),
                     [&](const Phase& phase) { return !phase.empty() && algorithm.fits(phase.shape); });
}

const Algorithm& serving(const Algorithm& algorithm, const Phase& phase) {
  if (phase.empty()) return kEmpty;
  return algorithm.fits(phase.shape) ? algorithm : kDirect;
}

const Algorithm& choose(const std::vector<Phase>& phases, bool f64, bool packed, int threads) {
  const std::string wanted = current_setting();
  if (wanted != "auto" && wanted != "direct")
    for (const Algorithm* algorithm : kAlgorithms)
      if ((wanted == algorithm->name || (wanted == "winograd" && is_winograd(*algorithm))) &&
          computes(*algorithm, phases, f64))
        return *algorithm;
  for (const Algorithm* algorithm : kAlgorithms) {
    if (is_winograd(*algorithm) && wanted == "direct") continue;
    if (computes(*algorithm, phases, f64) && wins(*algorithm, phases, packed, threads)) return *algorithm;
  }
  return kReference;
}

const Algorithm& choose_not_finite(bool transposed) { return transposed ? kReference : kPadded; }

}  // namespace conv

void set_conv_algorithm(const std::string& name) {
  conv::check_setting(name, "set_conv_algorithm");
  conv::current_setting();  // the environment variable is applied first
  const std::lock_guard<std::mutex> lock(conv::mutex);
  conv::setting() = name;
}

std::string get_conv_algorithm() { return conv::current_setting(); }

std::vector<std::string> conv_algorithms() {
  std::vector<std::string> names;
  for (const conv::Algorithm* algorithm : conv::algorithms()) names.emplace_back(algorithm->name);
  return names;
}

namespace {

std::vector<conv::Phase> phases_for(const ConvWeight& weight, const std::vector<int64_t>& input,
                                    const std::vector<int64_t>& output_size) {
  return conv::phases_of(weight, input,
                         weight.transposed
                             ? convolution_transpose_shape(input, weight.shape, output_size, weight.geometry)
                             : convolution_shape(input, weight.shape, weight.geometry));
}

}  // namespace

std::string choose_conv_algorithm(const ConvWeight& weight, const std::vector<int64_t>& input,
                                  const std::vector<int64_t>& output_size, bool packed, int threads, bool finite) {
  if (!finite) return conv::choose_not_finite(weight.transposed).name;
  return conv::choose(phases_for(weight, input, output_size), weight.dtype == DType::float64, packed, threads).name;
}

std::vector<ConvCandidate> conv_candidates(const ConvWeight& weight, const std::vector<int64_t>& input,
                                           const std::vector<int64_t>& output_size, bool packed, int threads) {
  const std::vector<conv::Phase> phases = phases_for(weight, input, output_size);
  std::vector<ConvCandidate> rows;
  for (const conv::Algorithm* algorithm : conv::algorithms()) {
    const bool fits = conv::computes(*algorithm, phases, weight.dtype == DType::float64);
    rows.push_back({algorithm->name, fits, fits && conv::wins(*algorithm, phases, packed, threads)});
  }
  return rows;
}

}  // namespace fastcnn
