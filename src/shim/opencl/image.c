/* SPDX-License-Identifier: Apache-2.0 */
/* Images: what one takes is known for certain only once it is there (rows are padded, channels
 * widened). So the least it can take is reserved first, the rest when it exists; where that is over
 * the limit it goes again. */
#include "shim/opencl/layer.h"

struct image_call {
	cl_context context;
	const cl_mem_properties *properties;
	cl_mem_flags flags;
	const cl_image_format *format;
	cl_image_desc desc;
	void *host;
};

static unsigned channels_of(cl_channel_order order)
{
	switch (order) {
	case CL_RG:
	case CL_RA:
	case CL_RGx:
		return 2;
	case CL_RGB:
	case CL_RGBx:
	case CL_sRGB:
		return 3;
	case CL_RGBA:
	case CL_BGRA:
	case CL_ARGB:
	case CL_ABGR:
	case CL_sRGBA:
	case CL_sBGRA:
	case CL_sRGBx:
		return 4;
	default:
		return 1; /* the least: what is missing is asked for later */
	}
}

static unsigned pixel_bytes(const cl_image_format *format)
{
	switch (format->image_channel_data_type) {
	case CL_UNORM_SHORT_565:
	case CL_UNORM_SHORT_555:
		return 2;
	case CL_UNORM_INT_101010:
	case CL_UNORM_INT_101010_2:
		return 4;
	case CL_SNORM_INT16:
	case CL_UNORM_INT16:
	case CL_SIGNED_INT16:
	case CL_UNSIGNED_INT16:
	case CL_HALF_FLOAT:
		return 2 * channels_of(format->image_channel_order);
	case CL_SIGNED_INT32:
	case CL_UNSIGNED_INT32:
	case CL_FLOAT:
		return 4 * channels_of(format->image_channel_order);
	default:
		return channels_of(format->image_channel_order);
	}
}

static uint64_t times(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b ? b : 1, &product) ? UINT64_MAX : product;
}

/* The least that the image takes; 0: it lives in another object, or next to nothing is known. */
static uint64_t least_cost(const struct image_call *call)
{
	const cl_image_desc *d = &call->desc;
	uint64_t cost;

	if (d->mem_object || !call->format)
		return 0;
	cost = times(pixel_bytes(call->format), d->image_width);
	switch (d->image_type) {
	case CL_MEM_OBJECT_IMAGE1D:
		return cost;
	case CL_MEM_OBJECT_IMAGE1D_ARRAY:
		return times(cost, d->image_array_size);
	case CL_MEM_OBJECT_IMAGE2D:
		return times(cost, d->image_height);
	case CL_MEM_OBJECT_IMAGE2D_ARRAY:
		return times(times(cost, d->image_height), d->image_array_size);
	case CL_MEM_OBJECT_IMAGE3D:
		return times(times(cost, d->image_height), d->image_depth);
	default:
		return 0;
	}
}

static uint64_t true_cost(cl_mem image, uint64_t least)
{
	size_t size;

	if (dv_ocl_target.clGetMemObjectInfo(image, CL_MEM_SIZE, sizeof(size), &size, NULL) !=
	    CL_SUCCESS)
		return least;
	return size;
}

/* `image` was made after `least` was reserved. */
static cl_mem settle_image(cl_mem image, bool charged, uint64_t least, cl_int *ret_error)
{
	uint64_t cost = image && charged ? true_cost(image, least) : least;

	if (cost > least && !dv_ocl_reserve(cost - least, ret_error)) {
		dv_ocl_target.clReleaseMemObject(image);
		dv_shim_release(least);
		return NULL;
	}
	if (cost < least)
		dv_shim_release(least - cost);
	return dv_ocl_settle(image, cost, ret_error);
}

typedef cl_mem image_maker(const struct image_call *call, cl_int *ret_error);

static cl_mem create(const struct image_call *call, image_maker *make, cl_int *ret_error)
{
	bool held = call->flags & CL_MEM_USE_HOST_PTR && dv_ocl_svm_holds(call->host);
	bool charged = !call->desc.mem_object && !held;
	uint64_t least = charged ? least_cost(call) : 0;

	if (!dv_ocl_reserve(least, ret_error))
		return NULL;
	return settle_image(make(call, ret_error), charged, least, ret_error);
}

static cl_mem make_image(const struct image_call *call, cl_int *ret_error)
{
	return dv_ocl_target.clCreateImage(call->context, call->flags, call->format, &call->desc,
					   call->host, ret_error);
}

static cl_mem CL_API_CALL create_image(cl_context context, cl_mem_flags flags,
				       const cl_image_format *format, const cl_image_desc *desc,
				       void *host, cl_int *ret_error)
{
	struct image_call call = {
		.context = context, .flags = flags, .format = format, .host = host};

	if (!desc) /* nothing will be made; the driver says why */
		return dv_ocl_target.clCreateImage(context, flags, format, desc, host, ret_error);
	call.desc = *desc;
	return create(&call, make_image, ret_error);
}

static cl_mem make_with_properties(const struct image_call *call, cl_int *ret_error)
{
	return dv_ocl_target.clCreateImageWithProperties(call->context, call->properties,
							 call->flags, call->format, &call->desc,
							 call->host, ret_error);
}

static cl_mem CL_API_CALL create_image_with_properties(
	cl_context context, const cl_mem_properties *properties, cl_mem_flags flags,
	const cl_image_format *format, const cl_image_desc *desc, void *host, cl_int *ret_error)
{
	struct image_call call = {.context = context,
				  .properties = properties,
				  .flags = flags,
				  .format = format,
				  .host = host};

	if (properties && properties[0])
		return dv_ocl_refuse(CL_INVALID_PROPERTY, ret_error);
	if (!desc)
		return dv_ocl_target.clCreateImageWithProperties(context, properties, flags, format,
								 desc, host, ret_error);
	call.desc = *desc;
	return create(&call, make_with_properties, ret_error);
}

static cl_mem make_2d(const struct image_call *call, cl_int *ret_error)
{
	return dv_ocl_target.clCreateImage2D(call->context, call->flags, call->format,
					     call->desc.image_width, call->desc.image_height,
					     call->desc.image_row_pitch, call->host, ret_error);
}

static cl_mem CL_API_CALL create_image_2d(cl_context context, cl_mem_flags flags,
					  const cl_image_format *format, size_t width,
					  size_t height, size_t row_pitch, void *host,
					  cl_int *ret_error)
{
	struct image_call call = {.context = context,
				  .flags = flags,
				  .format = format,
				  .desc = {.image_type = CL_MEM_OBJECT_IMAGE2D,
					   .image_width = width,
					   .image_height = height,
					   .image_row_pitch = row_pitch},
				  .host = host};

	return create(&call, make_2d, ret_error);
}

static cl_mem make_3d(const struct image_call *call, cl_int *ret_error)
{
	return dv_ocl_target.clCreateImage3D(call->context, call->flags, call->format,
					     call->desc.image_width, call->desc.image_height,
					     call->desc.image_depth, call->desc.image_row_pitch,
					     call->desc.image_slice_pitch, call->host, ret_error);
}

static cl_mem CL_API_CALL create_image_3d(cl_context context, cl_mem_flags flags,
					  const cl_image_format *format, size_t width,
					  size_t height, size_t depth, size_t row_pitch,
					  size_t slice_pitch, void *host, cl_int *ret_error)
{
	struct image_call call = {.context = context,
				  .flags = flags,
				  .format = format,
				  .desc = {.image_type = CL_MEM_OBJECT_IMAGE3D,
					   .image_width = width,
					   .image_height = height,
					   .image_depth = depth,
					   .image_row_pitch = row_pitch,
					   .image_slice_pitch = slice_pitch},
				  .host = host};

	return create(&call, make_3d, ret_error);
}

void dv_ocl_take_images(cl_icd_dispatch *table)
{
	table->clCreateImage = create_image;
	table->clCreateImageWithProperties = create_image_with_properties;
	table->clCreateImage2D = create_image_2d;
	table->clCreateImage3D = create_image_3d;
}
