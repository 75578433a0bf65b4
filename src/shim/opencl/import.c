/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that another library allocated (OpenGL, EGL) cannot be limited here: importing it is
 * refused, and a context that would share with one. Direct3D does not exist on Linux. */
#include "shim/opencl/layer.h"

#ifndef CL_EGL_DISPLAY_KHR
#define CL_EGL_DISPLAY_KHR 0x2009
#endif

static cl_mem CL_API_CALL refuse_gl_buffer(cl_context context, cl_mem_flags flags, cl_uint object,
					   cl_int *ret_error)
{
	return dv_ocl_refuse(CL_INVALID_OPERATION, ret_error);
}

static cl_mem CL_API_CALL refuse_gl_texture(cl_context context, cl_mem_flags flags, cl_uint target,
					    cl_int level, cl_uint object, cl_int *ret_error)
{
	return dv_ocl_refuse(CL_INVALID_OPERATION, ret_error);
}

static cl_mem CL_API_CALL refuse_egl_image(cl_context context, CLeglDisplayKHR display,
					   CLeglImageKHR image, cl_mem_flags flags,
					   const cl_egl_image_properties_khr *properties,
					   cl_int *ret_error)
{
	return dv_ocl_refuse(CL_INVALID_OPERATION, ret_error);
}

static bool shares(const cl_context_properties *properties)
{
	for (; properties && properties[0]; properties += 2)
		switch (properties[0]) {
		case CL_GL_CONTEXT_KHR:
		case CL_EGL_DISPLAY_KHR:
		case CL_GLX_DISPLAY_KHR:
		case CL_WGL_HDC_KHR:
		case CL_CGL_SHAREGROUP_KHR:
			if (properties[1])
				return true;
			break;
		default:
			break;
		}
	return false;
}

static cl_context CL_API_CALL create_context(const cl_context_properties *properties,
					     cl_uint num_devices, const cl_device_id *devices,
					     void(CL_CALLBACK *notify)(const char *, const void *,
								       size_t, void *),
					     void *data, cl_int *ret_error)
{
	if (shares(properties))
		return dv_ocl_refuse(CL_INVALID_PROPERTY, ret_error);
	return dv_ocl_target.clCreateContext(properties, num_devices, devices, notify, data,
					     ret_error);
}

static cl_context CL_API_CALL
create_context_from_type(const cl_context_properties *properties, cl_device_type type,
			 void(CL_CALLBACK *notify)(const char *, const void *, size_t, void *),
			 void *data, cl_int *ret_error)
{
	if (shares(properties))
		return dv_ocl_refuse(CL_INVALID_PROPERTY, ret_error);
	return dv_ocl_target.clCreateContextFromType(properties, type, notify, data, ret_error);
}

void dv_ocl_take_imports(cl_icd_dispatch *table)
{
	table->clCreateFromGLBuffer = refuse_gl_buffer;
	table->clCreateFromGLRenderbuffer = refuse_gl_buffer;
	table->clCreateFromGLTexture = refuse_gl_texture;
	table->clCreateFromGLTexture2D = refuse_gl_texture;
	table->clCreateFromGLTexture3D = refuse_gl_texture;
	table->clCreateFromEGLImageKHR = refuse_egl_image;
	table->clCreateContext = create_context;
	table->clCreateContextFromType = create_context_from_type;
}
