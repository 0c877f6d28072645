/* Floods a ridge from two markers through the installed C header, and reads a refusal. */
#include <fastcnn/c_api.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  const int64_t shape[] = {1, 7};
  const float relief[7] = {0, 1, 2, 9, 2, 1, 0};
  const int32_t markers[7] = {1, 0, 0, 0, 0, 0, 2};
  int32_t labels[7] = {0};

  fastcnn_tensor image = {0};
  image.data = (void*)relief;
  image.device_type = 1;
  image.ndim = 2;
  image.dtype_code = 2;
  image.dtype_bits = 32;
  image.dtype_lanes = 1;
  image.shape = shape;
  fastcnn_tensor seeds = image;
  seeds.data = (void*)markers;
  seeds.dtype_code = 0;
  fastcnn_tensor result = seeds;
  result.data = labels;

  const int status = fastcnn_watershed(&image, &seeds, NULL, 1, 0.0, 0, 2, &result);
  const int refusal = fastcnn_watershed(&image, NULL, NULL, 1, 0.0, 0, 2, &result);
  printf("fastcnn %s (C API %d) from C: labels %d..%d, refusal %d: %s\n", fastcnn_version(), fastcnn_c_api_version(),
         labels[0], labels[6], refusal, fastcnn_last_error());
  return status == FASTCNN_OK && labels[1] == 1 && labels[5] == 2 && refusal == FASTCNN_ERROR_ARGUMENT &&
                 strstr(fastcnn_last_error(), "markers")
             ? 0
             : 1;
}
