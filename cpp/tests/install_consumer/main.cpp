// Dilates one pixel through the installed C++ headers, and reads a refusal.
#include <fastcnn/context.h>
#include <fastcnn/error.h>
#include <fastcnn/ops/morphology.h>

#include <cstdio>
#include <vector>

int main() {
  const int64_t shape[] = {5, 6};
  std::vector<float> src(30, 0.f), dst(30, -1.f);
  src[2 * 6 + 3] = 7.f;

  fastcnn::TensorView in;
  in.data = src.data();
  in.ndim = 2;
  in.shape = shape;
  in.dtype = fastcnn::data_type(fastcnn::DType::float32);
  fastcnn::TensorView out = in;
  out.data = dst.data();

  fastcnn::Footprint box;
  box.height = box.width = 3;
  fastcnn::dilation(fastcnn::default_context(), in, 2, box, fastcnn::Border::geodesic, 0, out);
  float sum = 0;
  for (const float v : dst) sum += v;

  bool refused = false;
  try {
    box.width = 0;
    fastcnn::dilation(fastcnn::default_context(), in, 2, box, fastcnn::Border::geodesic, 0, out);
  } catch (const fastcnn::Error& error) {
    refused = error.kind() == fastcnn::ErrorKind::argument;
  }
  std::printf("fastcnn %s from C++: sum %g, refused %d\n", fastcnn::version(), sum, refused);
  return sum == 63.f && refused ? 0 : 1;
}
