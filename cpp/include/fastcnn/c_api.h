/* The C front: for other languages, and where the C++ ABI is not shared. CPU tensors only.
 *
 * Every function returns FASTCNN_OK or an error code; fastcnn_last_error() then has the text, until the thread's next
 * call. Results are written to dense tensors that the caller allocates; shapes and dtypes are those of the C++ headers
 * in fastcnn/ops. Functions are only ever added; FASTCNN_C_API_VERSION counts the additions. */
#ifndef FASTCNN_C_API_H
#define FASTCNN_C_API_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#if defined(FASTCNN_BUILDING)
#define FASTCNN_C_API __declspec(dllexport)
#else
#define FASTCNN_C_API __declspec(dllimport)
#endif
#else
#define FASTCNN_C_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define FASTCNN_C_API_VERSION 1

enum {
  FASTCNN_OK = 0,
  FASTCNN_ERROR_ARGUMENT = 1,
  FASTCNN_ERROR_TYPE = 2,
  FASTCNN_ERROR_MEMORY = 3,
  FASTCNN_ERROR_UNSUPPORTED = 4,
  FASTCNN_ERROR_INTERNAL = 5
};

/* DLPack's DLTensor, field for field: device_type 1 is the CPU; dtype_code is 0 for signed integers, 1 unsigned, 2
 * floats, 4 bfloat16, 6 bool; strides are in elements, null means C order without gaps. */
typedef struct fastcnn_tensor {
  void* data;
  int32_t device_type;
  int32_t device_id;
  int32_t ndim;
  uint8_t dtype_code;
  uint8_t dtype_bits;
  uint16_t dtype_lanes;
  const int64_t* shape;
  const int64_t* strides;
  uint64_t byte_offset;
} fastcnn_tensor;

/* FASTCNN_C_API_VERSION and the version of the library that is loaded, which may be newer than the header. */
FASTCNN_C_API int fastcnn_c_api_version(void);
FASTCNN_C_API const char* fastcnn_version(void);
FASTCNN_C_API const char* fastcnn_last_error(void);

FASTCNN_C_API int fastcnn_set_num_threads(int n);
FASTCNN_C_API int fastcnn_get_num_threads(void);

/* Morphology. footprint: a dense bool tensor of spatial_dims dimensions; border: "geodesic", "constant", "reflect",
 * "mirror" or "replicate". */
FASTCNN_C_API int fastcnn_erosion(const fastcnn_tensor* image, int spatial_dims, const fastcnn_tensor* footprint,
                                  const char* border, double value, const fastcnn_tensor* result);
FASTCNN_C_API int fastcnn_dilation(const fastcnn_tensor* image, int spatial_dims, const fastcnn_tensor* footprint,
                                   const char* border, double value, const fastcnn_tensor* result);
FASTCNN_C_API int fastcnn_opening(const fastcnn_tensor* image, int spatial_dims, const fastcnn_tensor* footprint,
                                  const char* border, double value, const fastcnn_tensor* result);
FASTCNN_C_API int fastcnn_closing(const fastcnn_tensor* image, int spatial_dims, const fastcnn_tensor* footprint,
                                  const char* border, double value, const fastcnn_tensor* result);
FASTCNN_C_API int fastcnn_morphological_gradient(const fastcnn_tensor* image, int spatial_dims,
                                                 const fastcnn_tensor* footprint, const char* border, double value,
                                                 const fastcnn_tensor* result);

/* Filters and thresholds. sigma: one value per spatial axis; method: "gaussian" or "mean". */
FASTCNN_C_API int fastcnn_gaussian_blur(const fastcnn_tensor* image, int spatial_dims, const double* sigma,
                                        double truncate, const char* border, const fastcnn_tensor* result);
FASTCNN_C_API int fastcnn_threshold_otsu(const fastcnn_tensor* image, int spatial_dims, int64_t nbins,
                                         const fastcnn_tensor* result);
FASTCNN_C_API int fastcnn_threshold_local(const fastcnn_tensor* image, int64_t block_size, const char* method,
                                          double offset, const fastcnn_tensor* result);
FASTCNN_C_API int fastcnn_binarize_local(const fastcnn_tensor* image, int64_t block_size, const char* method,
                                         double offset, const fastcnn_tensor* result);

/* Distance. sampling: one value per spatial axis, or null; indices may be null. */
FASTCNN_C_API int fastcnn_distance_transform_edt(const fastcnn_tensor* mask, int spatial_dims, const double* sampling,
                                                 const fastcnn_tensor* result, const fastcnn_tensor* indices);

/* Labels and cleaning. connectivity: 1..spatial_dims, or the neighbour count 4, 8; 6, 18, 26. */
FASTCNN_C_API int fastcnn_label(const fastcnn_tensor* mask, int connectivity, int spatial_dims,
                                const fastcnn_tensor* labels, const fastcnn_tensor* counts);
FASTCNN_C_API int fastcnn_clear_border(const fastcnn_tensor* labels, int spatial_dims, const fastcnn_tensor* result);
FASTCNN_C_API int fastcnn_fill_holes(const fastcnn_tensor* mask, int spatial_dims, const fastcnn_tensor* result);
FASTCNN_C_API int fastcnn_remove_small_objects(const fastcnn_tensor* mask, int64_t min_size, int connectivity,
                                               int spatial_dims, const fastcnn_tensor* result);
FASTCNN_C_API int fastcnn_remove_small_holes(const fastcnn_tensor* mask, int64_t max_size, int connectivity,
                                             int spatial_dims, const fastcnn_tensor* result);

/* Flooding. mask may be null. */
FASTCNN_C_API int fastcnn_local_maxima(const fastcnn_tensor* image, int connectivity, int spatial_dims,
                                       const fastcnn_tensor* result);
FASTCNN_C_API int fastcnn_watershed(const fastcnn_tensor* image, const fastcnn_tensor* markers,
                                    const fastcnn_tensor* mask, int connectivity, double compactness,
                                    int watershed_line, int spatial_dims, const fastcnn_tensor* labels);

#ifdef __cplusplus
}
#endif

#endif
