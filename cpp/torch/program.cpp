#include "program.h"

#include <memory>
#include <mutex>
#include <unordered_map>

#include "bridge.h"

namespace fastcnn::torch_bridge {
namespace {

/// All programs, by number: an op's arguments are tensors and numbers.
class Programs {
 public:
  int64_t add(std::shared_ptr<Program> program) {
    const std::lock_guard<std::mutex> lock(mutex_);
    programs_.emplace(++last_, std::move(program));
    return last_;
  }
  std::shared_ptr<Program> find(int64_t number) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = programs_.find(number);
    FASTCNN_CHECK(found != programs_.end(), "_program: there is no program ", number);
    return found->second;
  }
  void remove(int64_t number) {
    const std::lock_guard<std::mutex> lock(mutex_);
    programs_.erase(number);
  }

 private:
  std::mutex mutex_;
  std::unordered_map<int64_t, std::shared_ptr<Program>> programs_;
  int64_t last_ = 0;
};

Programs& programs() {
  static Programs instance;
  return instance;
}

thread_local std::shared_ptr<Program> current;

// Every op needs a tensor for dispatch.
int64_t record(const Tensor&) {
  FASTCNN_CHECK(!current, "_program_record: this thread records already");
  current = std::make_shared<Program>();
  return programs().add(current);
}
void finish(const Tensor&) { current.reset(); }
void run(const Tensor&, int64_t number) { programs().find(number)->run(); }
void remove(const Tensor&, int64_t number) { programs().remove(number); }

}  // namespace

Program* Program::recording() { return current.get(); }

const TensorView* Program::keep(const TensorView& view) {
  TensorView kept = view;
  sizes_.emplace_back(view.shape, view.shape + view.ndim);
  kept.shape = sizes_.back().data();
  sizes_.emplace_back(view.strides, view.strides + view.ndim);
  kept.strides = sizes_.back().data();
  views_.push_back(kept);
  return &views_.back();
}

STABLE_TORCH_LIBRARY_FRAGMENT(fastcnn, m) {
  m.def("_program_record(Tensor memory) -> int");
  m.def("_program_finish(Tensor memory) -> ()");
  m.def("_program_run(Tensor(a!) memory, int program) -> ()");
  m.def("_program_remove(Tensor memory, int program) -> ()");
}

STABLE_TORCH_LIBRARY_IMPL(fastcnn, CPU, m) {
  m.impl("_program_record", FASTCNN_BOX(record));
  m.impl("_program_finish", FASTCNN_BOX(finish));
  m.impl("_program_run", FASTCNN_BOX(run));
  m.impl("_program_remove", FASTCNN_BOX(remove));
}

}  // namespace fastcnn::torch_bridge
