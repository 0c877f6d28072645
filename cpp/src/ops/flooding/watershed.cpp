// Marker-controlled watershed by topographic order, independent of threads, queue order and ISA.
//
//   level(p)       a marker's value; else the minimum over paths from a marker of the maximum value or marker level
//   generation(p)  0 for markers and beside a lower level; else 1 + the minimum among neighbours of equal level
//   parent(p)      the neighbour with the minimum (level, generation, raster index); labels propagate from the markers
//
// It is the flood of L. Vincent, P. Soille, "Watersheds in digital spaces", PAMI 13(6), 1991, and of scikit-image's
// queue, with ties decided by position and not by the age of a queue entry. They compute it in the order of levels, one
// pixel at a time. This file solves
//
//   key(p) = max(value(p), least key among the neighbours + 1),   key = level << shift | generation,
//
// as a fixed point. It is unique, so any order of relaxation reaches it. Relaxation sweeps run over vectors, in tiles
// that stay in the cache; the tile with the minimum pending key is next (watershed_flood.h). For types of 8 and 16 bits
// a key has room for both level and generation. For wider types, and for images whose plateaus are too deep for the
// remaining bits, the levels are computed first (key = max(value, least key)), then the generations among equal levels.
// Parents are derived from the keys, row by row, and labels from the trees of parents (watershed_label.h).
//
// Time: O(pixels) if each tile is visited once; real images need 1.5-4 visits. Scratch memory: at most 24 bytes per
// pixel.
#include <algorithm>
#include <optional>

#include "core/connectivity.h"
#include "core/dtypes.h"
#include "core/image_batch.h"
#include "fastcnn/error.h"
#include "fastcnn/ops/flooding.h"
#include "ops/flooding/neighborhood.h"
#include "ops/flooding/watershed_compact.h"
#include "ops/flooding/watershed_flood.h"
#include "ops/flooding/watershed_label.h"

namespace fastcnn {
namespace {

template <class Label>
struct WatershedImage {
  const Context& context;
  const Extent& extent;
  const WatershedKernels& kernels;
  const Neighborhood& neighbors;
  int connectivity;
  bool line;
  const KeyRows& image;
  const Label* markers;
  const Roots& roots;
  const TruthRows& mask;
  Label* labels;

  void run() const {
    switch (image.bytes) {
      case 1:
        if (combined(kernels.keys16, 8) || combined(kernels.keys32, 24)) return;
        break;
      case 2:
        if (combined(kernels.keys32, 16)) return;
        break;
      case 8: return levels_first(FASTCNN_SELECT(watershed_wide_kernels));
      default: break;
    }
    levels_first(kernels.keys32);
  }

  template <class K>
  FloodField<K> field(const K* fixed, K* key, int shift) const {
    return {extent.depth, extent.height, extent.width, connectivity, fixed, key, static_cast<K>((K(1) << shift) - 1)};
  }

  /// Returns false if a generation does not fit below the level.
  template <class K>
  bool combined(const FloodKernels<K>& of_key, int shift) const {
    constexpr K kNone = static_cast<K>(~K(0));
    std::optional<Scratch> scratch(std::in_place, context);
    K* key = scratch->get<K>(extent.size());
    {
      Scratch flood(context);
      K* fixed = flood.get<K>(extent.size());
      const TileGrid grid(extent);
      TileQueue<K> queue(flood, grid);
      start_flood(context, of_key, extent, grid, image, roots, mask, shift, kNone, static_cast<K>(kNone - 1), fixed,
                  key, queue);
      if (!flood_to_rest(context, of_key.flood, of_key.tile_bytes, field<K>(fixed, key, shift), grid, queue))
        return false;
    }
    label(of_key, Flooded<K>{key, nullptr}, scratch);
    return true;
  }

  template <class K>
  void levels_first(const FloodKernels<K>& of_key) const {
    constexpr K kNone = static_cast<K>(~K(0));
    std::optional<Scratch> scratch(std::in_place, context);
    K* level = scratch->get<K>(extent.size());
    K* generation = scratch->get<K>(extent.size());
    const TileGrid grid(extent);
    {
      Scratch flood(context);
      TileQueue<K> queue(flood, grid);
      K* value = generation;  // the generations are computed after the values are no longer needed
      const bool full = image.integral && image.bytes == sizeof(K);  // may use every key
      const K gap = full ? unused_key<K>(context, image, extent) : kNone;
      start_flood(context, of_key, extent, grid, image, roots, mask, 0, gap, kNone, value, level, queue);
      flood_to_rest(context, of_key.fill, of_key.tile_bytes, field<K>(value, level, 0), grid, queue);
    }
    {
      Scratch flood(context);
      TileQueue<K> queue(flood, grid);
      start_spread(context, of_key, extent, grid, neighbors, roots, level, generation, queue);
      flood_to_rest(context, of_key.spread, of_key.tile_bytes, field<K>(level, generation, 0), grid, queue);
    }
    label(of_key, Flooded<K>{level, generation}, scratch);
  }

  /// Frees the keys' scratch as soon as it is not needed.
  template <class K>
  void label(const FloodKernels<K>& of_key, const Flooded<K>& flooded, std::optional<Scratch>& keys) const {
    const LinearOffsets offsets(neighbors, extent);
    const bool trees = neighbors.count <= 8;
    Scratch scratch(context);
    uint8_t* bytes = scratch.get<uint8_t>(extent.size());  // children, or parents; then the lines
    {
      std::optional<Scratch> parents;
      uint8_t* parent = trees ? parents.emplace(context).template get<uint8_t>(extent.size()) : bytes;
      find_parents(context, of_key, extent, neighbors, flooded, roots, markers, !trees, parent, labels);
      if (trees) find_children(parent, bytes);
    }
    if (!line) keys.reset();
    switch (neighbors.count) {
      case 4: label_trees<Label, 4>(context, extent, offsets, markers, roots, bytes, labels); break;
      case 6: label_trees<Label, 6>(context, extent, offsets, markers, roots, bytes, labels); break;
      case 8: label_trees<Label, 8>(context, extent, offsets, markers, roots, bytes, labels); break;
      default: label_paths(context, extent, offsets, bytes, labels);
    }
    if (line) draw_lines(context, extent, neighbors, flooded, roots, bytes, labels);
  }

  void find_children(const uint8_t* parent, uint8_t* child) const {
    for_rows(context, extent, [&](int64_t begin, int64_t end) {
      Scratch scratch(context);
      RowWindow<uint8_t> parents(scratch, parent, extent, kNoParent);
      uint8_t* row_of_children = scratch.get<uint8_t>(extent.width);
      for (int64_t row = begin; row < end; ++row) {
        kernels.children(parents.at(row / extent.height, row % extent.height), neighbors, extent.width,
                         row_of_children);
        std::memcpy(child + row * extent.width, row_of_children, static_cast<size_t>(extent.width));
      }
    });
  }
};

void intersect(uint8_t* __restrict a, const uint8_t* __restrict b, int64_t n) {
  for (int64_t i = 0; i < n; ++i) a[i] &= b[i];
}

Roots find_roots(const Context& context, Scratch& scratch, const Extent& e, const TruthRows& marked,
                 const TruthRows& mask) {
  Roots roots(scratch, e);
  for_rows(context, e, [&](int64_t begin, int64_t end) {
    Scratch rows(context);
    uint8_t* root = rows.get<uint8_t>(e.width);
    uint8_t* inside = rows.get<uint8_t>(e.width);
    std::memset(root, 0, static_cast<size_t>(e.width) + 8);
    for (int64_t row = begin; row < end; ++row) {
      marked.get(row * e.width, e.width, root);
      if (mask) {
        mask.get(row * e.width, e.width, inside);
        intersect(root, inside, e.width);
      }
      roots.set(row, root);
    }
  });
  return roots;
}

}  // namespace

void watershed(const Context& context, const TensorView& image, const TensorView& markers, const TensorView* mask,
               int64_t connectivity, double compactness, bool watershed_line, int spatial_dims,
               const TensorView& labels) {
  const char* op = "watershed";
  const BatchShape batch(image, spatial_dims, op, "image");
  check_same_shape(image, markers, op, "markers");
  FASTCNN_CHECK_TYPE(markers.device.type == kCpu, op, ": expected markers on the CPU");
  const int steps = connectivity_rank(connectivity, spatial_dims, op);
  if (mask) {
    check_same_shape(image, *mask, op, "mask");
    FASTCNN_CHECK_TYPE(mask->device.type == kCpu, op, ": expected mask on the CPU");
  }
  FASTCNN_CHECK(compactness >= 0 && compactness <= 1.7e308, op,
                ": expected compactness to be finite and not negative, got ", compactness);
  FASTCNN_CHECK(!(watershed_line && compactness > 0), op,
                ": expected watershed_line=False where compactness > 0: its labels have no levels to draw lines by");
  FASTCNN_CHECK(batch.extent.size() < int64_t{UINT32_MAX}, op, ": expected images of fewer than 2^32 - 1 pixels, got ",
                batch.extent.size());
  check_same_shape(image, labels, op, "result");
  check_output(labels, dtype_of(markers), op, "result");

  const Neighborhood neighbors = neighborhood(steps, spatial_dims);
  const WatershedKernels& kernels = FASTCNN_SELECT(watershed_kernels);
  const ImageSource image_source(image, spatial_dims), marker_source(markers, spatial_dims);
  std::optional<ImageSource> mask_source;
  if (mask) {
    visit(AllTypes{}, *mask, op, "mask", [](auto) {});  // before any image
    mask_source.emplace(*mask, spatial_dims);
  }
  visit(AllTypes{}, image, op, "image", [](auto) {});
  // Labels are only copied and compared with zero, so 32 or 64 raw bits are sufficient.
  visit_bits(IntegerTypes{}, markers, op, "markers", [&](auto marker_tag) {
    using Marker = typename decltype(marker_tag)::type;
    using Label = std::conditional_t<sizeof(Marker) == 8, int64_t, int32_t>;
    constexpr bool kNarrow = sizeof(Marker) < sizeof(Label);
    const int64_t size = batch.extent.size();
    for_each_image(context, batch.count, [&](const Context& inner, int64_t i) {
      Scratch scratch(inner);
      const Marker* given = marker_source.image<Marker>(i, scratch);
      Marker* const result = labels.as<Marker>() + i * size;
      const Label* seeds = reinterpret_cast<const Label*>(given);
      Label* out = reinterpret_cast<Label*>(result);
      if constexpr (kNarrow) {
        Label* const widened = scratch.get<Label>(size);
        std::copy_n(given, size, widened);
        seeds = widened;
        out = scratch.get<Label>(size);
      }
      TruthRows inside;
      if (mask)
        visit_truth(AllTypes{}, *mask, op, "mask", [&](auto mask_tag) {
          inside = TruthRows(mask_source->image<typename decltype(mask_tag)::type>(i, scratch));
        });
      const auto flood = [&](const KeyRows& keys, FunctionRef<double(int64_t)> pixel) {
        if (compactness > 0)
          return watershed_compact(inner, batch.extent, neighbors, compactness, pixel, seeds, inside, out);
        const TruthRows marked(seeds, sizeof(Label) == 4 ? kernels.nonzero32 : kernels.nonzero64);
        const Roots roots = find_roots(inner, scratch, batch.extent, marked, inside);
        WatershedImage<Label>{inner, batch.extent, kernels, neighbors, steps, watershed_line,
                              keys,  seeds,        roots,   inside,    out}
            .run();
      };
      visit(AllTypes{}, dtype_of(image), [&](auto tag) {
        const auto* pixels = image_source.image<typename decltype(tag)::type>(i, scratch);
        flood(KeyRows(pixels, kernels), [=](int64_t p) { return static_cast<double>(pixels[p]); });
      });
      if constexpr (kNarrow)
        std::transform(out, out + size, result, [](Label label) { return static_cast<Marker>(label); });
    });
  });
}

}  // namespace fastcnn
