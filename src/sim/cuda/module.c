/* SPDX-License-Identifier: Apache-2.0 */
/* Modules and libraries: images that hold functions and variables. */
#include <elf.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "sim/cuda/kernels.h"
#include "sim/cuda/memory.h"

enum {
	MODULE_MIB = 2,
	IMAGE_MOST = 256 << 20,
	DEFAULT_TIME_NS = 10000,
};

#define FATBIN_MAGIC 0xba55ed50u
#define FATBIN_WRAPPER 0x466243b1u

struct dv_cu_function *dv_cu_function_new(struct dv_cu_module *module, const char *name, size_t len)
{
	struct dv_cu_function *function;

	if (len >= sizeof(function->name))
		return NULL;
	function = dv_cu_new(DV_CU_FUNCTION, sizeof(*function));
	if (!function || dv_vec_push(&module->functions, function) < 0) {
		dv_cu_free(function);
		module->starved = true;
		return NULL;
	}
	memcpy(function->name, name, len);
	function->module = module;
	function->time_ns = DEFAULT_TIME_NS;
	function->time_argument = -1;
	function->dynamic_shared = 49152;
	function->block[0] = function->block[1] = function->block[2] = 1;
	return function;
}

static struct dv_cu_function *find_function(const struct dv_cu_module *module, const char *name,
					    size_t len)
{
	for (size_t i = 0; i < module->functions.len; i++)
		if (strlen(module->functions.items[i]->name) == len &&
		    strncmp(module->functions.items[i]->name, name, len) == 0)
			return module->functions.items[i];
	return NULL;
}

/* --- text: our own lines, and PTX --- */

static bool add_argument(struct dv_cu_function *function, unsigned size)
{
	unsigned n = function->argument_count, end = 0;

	if (n == DV_ARRAY_LEN(function->sizes) || !size || size > 4096)
		return false;
	if (n)
		end = (unsigned)function->offsets[n - 1] + function->sizes[n - 1];
	function->offsets[n] = (uint16_t)dv_cu_round(end, DV_MIN(size, 8));
	function->sizes[n] = (uint16_t)size;
	function->argument_count++;
	return true;
}

static bool read_key(struct dv_cu_function *function, const char *key, const char *value,
		     size_t len)
{
	char text[64] = "", *end = text;

	if (len >= sizeof(text))
		return false;
	memcpy(text, value, len);
	if (strcmp(key, "do") == 0) {
		function->does = dv_cu_does_by_name(text, len);
		return function->does >= 0;
	}
	if (strcmp(key, "ns") == 0 && strncmp(text, "arg", 3) == 0) {
		function->time_argument = (int)strtol(text + 3, &end, 10);
		return *end == '\0' && end != text + 3 && function->time_argument >= 0;
	}
	if (strcmp(key, "ns") == 0) {
		function->time_ns = strtoull(text, &end, 10);
		return *end == '\0' && len;
	}
	if (strcmp(key, "args") != 0)
		return false;
	function->argument_count = 0;
	function->arguments_known = true;
	while (*end)
		if (!add_argument(function, (unsigned)strtoul(end, &end, 10)) ||
		    (*end && *end++ != ','))
			return false;
	return true;
}

/* "divvy-sim-kernel name=fill do=fill args=8,4,4 ns=20000", alone or as a comment of PTX. */
static bool read_line(struct dv_cu_module *module, const char *line, size_t len)
{
	struct dv_cu_function *function = NULL;
	const char *at = line, *end = line + len;

	while (at < end) {
		size_t word = strcspn(at, " \t\r\n"), key_len = strcspn(at, "= \t\r\n");
		char key[16] = "";

		if (!word) {
			at++;
			continue;
		}
		if (key_len >= sizeof(key) || key_len == word)
			return false;
		memcpy(key, at, key_len);
		at += key_len + 1;
		word -= key_len + 1;
		if (!function) {
			if (strcmp(key, "name") != 0)
				return false;
			function = find_function(module, at, word);
			if (!function)
				function = dv_cu_function_new(module, at, word);
			if (!function)
				return false;
		} else if (!read_key(function, key, at, word)) {
			return false;
		}
		at += word;
	}
	return function;
}

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t\r\n");
}

static unsigned size_of_type(const char *at)
{
	static const struct {
		const char *name;
		unsigned size;
	} types[] = {{".u64", 8}, {".s64", 8}, {".b64", 8}, {".f64", 8}, {".u32", 4},
		     {".s32", 4}, {".b32", 4}, {".f32", 4}, {".u16", 2}, {".s16", 2},
		     {".b16", 2}, {".f16", 2}, {".u8", 1},  {".s8", 1},	 {".b8", 1}};

	for (size_t i = 0; i < DV_ARRAY_LEN(types); i++)
		if (strncmp(at, types[i].name, strlen(types[i].name)) == 0)
			return types[i].size;
	return 0;
}

/* ".param .align 8 .b8 name[16]": the size of one parameter. */
static unsigned parameter(const char *at, const char *end)
{
	unsigned size = 0;

	for (const char *dot = at; dot < end; dot++) {
		if (*dot == '.' && !size)
			size = size_of_type(dot);
		if (*dot == '[')
			return size * (unsigned)strtoul(dot + 1, NULL, 10);
	}
	return size;
}

static bool read_entry(struct dv_cu_module *module, const char *at)
{
	const char *name = skip_blanks(at), *open, *close;
	size_t len = strcspn(name, " \t\r\n({");
	struct dv_cu_function *function = find_function(module, name, len);

	open = skip_blanks(name + len);
	if (!function)
		function = dv_cu_function_new(module, name, len);
	if (!function)
		return false;
	if (function->arguments_known)
		return true;
	function->arguments_known = true;
	if (*open != '(')
		return true;
	close = strchr(open, ')');
	while (close && (open = strstr(open, ".param")) && open < close) {
		size_t n = strcspn(open, ",)");

		if (!add_argument(function, parameter(open + 6, open + n)))
			return false;
		open += n;
	}
	return close;
}

static enum dv_cu_result read_text(struct dv_cu_module *module, const char *text)
{
	bool is_ptx = strstr(text, ".version") && strstr(text, ".target");

	for (const char *at = text; (at = strstr(at, "divvy-sim-kernel")); at++) {
		const char *rest = at + strlen("divvy-sim-kernel");

		if (!read_line(module, rest, strcspn(rest, "\n")))
			return is_ptx ? DV_CUDA_ERROR_INVALID_PTX : DV_CUDA_ERROR_INVALID_IMAGE;
	}
	for (const char *at = text; is_ptx && (at = strstr(at, ".entry")); at++)
		if (!read_entry(module, at + strlen(".entry")))
			return DV_CUDA_ERROR_INVALID_PTX;
	return module->functions.len || is_ptx ? DV_CUDA_SUCCESS : DV_CUDA_ERROR_INVALID_IMAGE;
}

/* --- binaries: their code is not run, so that names are enough --- */

static bool add_named(struct dv_cu_module *module, const char *name)
{
	size_t len = strlen(name);

	return find_function(module, name, len) || dv_cu_function_new(module, name, len);
}

/* Sections ".text.<function>"; the sizes of parameters from ".nv.info.<function>". */
static void read_parameters(struct dv_cu_function *function, const uint8_t *info, size_t size)
{
	enum { WITH_SIZE = 4, PARAMETER = 0x17 };
	struct {
		uint16_t size, offset;
	} found[DV_ARRAY_LEN(function->sizes)] = {{0}};
	unsigned count = 0;

	for (size_t at = 0; at + 4 <= size;) {
		uint16_t len = (uint16_t)(info[at + 2] | info[at + 3] << 8);
		uint32_t words[3];

		if (info[at] == WITH_SIZE && info[at + 1] == PARAMETER && len == sizeof(words) &&
		    at + 4 + len <= size) {
			unsigned n;

			memcpy(words, info + at + 4, sizeof(words));
			n = words[1] & 0xffff;
			if (n < DV_ARRAY_LEN(found)) {
				found[n].offset = (uint16_t)(words[1] >> 16);
				found[n].size = (uint16_t)(words[2] >> 18);
				count = DV_MAX(count, n + 1);
			}
		}
		at += 4 + (info[at] == WITH_SIZE ? len : 0u);
	}
	for (unsigned i = 0; i < count; i++) {
		function->offsets[i] = found[i].offset;
		function->sizes[i] = found[i].size;
	}
	function->argument_count = count;
	function->arguments_known = true;
}

static enum dv_cu_result read_elf(struct dv_cu_module *module, const char *image)
{
	const Elf64_Ehdr *head = (const Elf64_Ehdr *)(const void *)image;
	const Elf64_Shdr *sections = (const Elf64_Shdr *)(const void *)(image + head->e_shoff);
	const char *names;

	if (head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_shentsize != sizeof(*sections) ||
	    head->e_shstrndx >= head->e_shnum)
		return DV_CUDA_ERROR_INVALID_IMAGE;
	names = image + sections[head->e_shstrndx].sh_offset;
	for (unsigned i = 0; i < head->e_shnum; i++) {
		const char *name = names + sections[i].sh_name;

		if (strncmp(name, ".text.", 6) == 0 && !add_named(module, name + 6))
			return DV_CUDA_ERROR_OUT_OF_MEMORY;
	}
	for (unsigned i = 0; i < head->e_shnum; i++) {
		const char *name = names + sections[i].sh_name;
		struct dv_cu_function *function =
			strncmp(name, ".nv.info.", 9) == 0
				? find_function(module, name + 9, strlen(name + 9))
				: NULL;

		if (function)
			read_parameters(function, (const uint8_t *)image + sections[i].sh_offset,
					sections[i].sh_size);
	}
	return DV_CUDA_SUCCESS;
}

/* What the linker puts into a program: images for several architectures, perhaps compressed. */
static enum dv_cu_result read_fatbin(struct dv_cu_module *module, const char *image)
{
	enum { ENTRY_ELF = 2 };
	struct {
		uint32_t magic;
		uint16_t version, head_size;
		uint64_t size;
	} head;
	const char *end, *at;

	memcpy(&head, image, sizeof(head));
	end = image + head.head_size + head.size;
	for (at = image + head.head_size; at + 64 <= end;) {
		uint16_t kind;
		uint32_t head_size;
		uint64_t size;

		memcpy(&kind, at, sizeof(kind));
		memcpy(&head_size, at + 4, sizeof(head_size));
		memcpy(&size, at + 8, sizeof(size));
		if (kind == ENTRY_ELF && memcmp(at + head_size, ELFMAG, SELFMAG) == 0)
			return read_elf(module, at + head_size);
		if (head_size < 64 || size > (uint64_t)(end - at))
			return DV_CUDA_ERROR_INVALID_IMAGE;
		at += head_size + size;
	}
	/* Its names cannot be read: whatever is asked for is there. */
	module->open_ended = true;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result dv_cu_image_read(struct dv_cu_module *module, const void *image)
{
	uint32_t magic;

	memcpy(&magic, image, sizeof(magic));
	if (magic == FATBIN_WRAPPER) {
		memcpy(&image, (const char *)image + 8, sizeof(image));
		memcpy(&magic, image, sizeof(magic));
	}
	if (magic == FATBIN_MAGIC)
		return read_fatbin(module, image);
	if (memcmp(image, ELFMAG, SELFMAG) == 0)
		return read_elf(module, image);
	return read_text(module, image);
}

/* --- their life --- */

static void leave_context(const struct dv_cu_module *module)
{
	struct dv_cu_context *context = module->context;

	for (size_t i = 0; i < context->modules.len; i++)
		if (context->modules.items[i] == module) {
			dv_vec_remove(&context->modules, i);
			break;
		}
	dv_cu_refund(context->device, module->overhead);
}

void dv_cu_module_end(struct dv_cu_module *module)
{
	for (size_t i = 0; i < module->functions.len; i++)
		dv_cu_free(module->functions.items[i]);
	for (size_t i = 0; i < module->globals.len; i++) {
		struct dv_cu_block *block = dv_cu_block_at(module->globals.items[i]->ptr, 0);

		if (block)
			dv_cu_release(block);
		free(module->globals.items[i]);
	}
	dv_vec_fini(&module->functions);
	dv_vec_fini(&module->globals);
	if (module->context)
		leave_context(module);
	dv_cu_free(module);
}

static enum dv_cu_result join_context(struct dv_cu_module *module, struct dv_cu_context *context)
{
	if (dv_vec_reserve(&context->modules) < 0)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	module->overhead = (uint64_t)MODULE_MIB << 20;
	DV_TRY(dv_cu_charge(context->device, module->overhead));
	module->context = context;
	context->modules.items[context->modules.len++] = module;
	return DV_CUDA_SUCCESS;
}

/* A library is loaded into a context when it is first used there; here: where it is loaded. */
static enum dv_cu_result load(struct dv_cu_context *context, const void *image, bool is_library,
			      struct dv_cu_module **ret)
{
	struct dv_cu_module *module;
	enum dv_cu_result result;

	DV_NEED(image);
	module = dv_cu_new(DV_CU_MODULE, sizeof(*module));
	if (!module)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	module->is_library = is_library;
	result = dv_cu_image_read(module, image);
	if (module->starved)
		result = DV_CUDA_ERROR_OUT_OF_MEMORY;
	if (result == DV_CUDA_SUCCESS && context)
		result = join_context(module, context);
	if (result == DV_CUDA_SUCCESS)
		*ret = module;
	else
		dv_cu_module_end(module);
	return result;
}

static enum dv_cu_result load_file(struct dv_cu_context *context, const char *path, bool is_library,
				   struct dv_cu_module **ret)
{
	dv_autofree char *text = NULL;
	size_t len;

	DV_NEED(path);
	if (dv_file_read(path, IMAGE_MOST, &text, &len, NULL) < 0)
		return DV_CUDA_ERROR_FILE_NOT_FOUND;
	return len < 16 ? DV_CUDA_ERROR_INVALID_IMAGE : load(context, text, is_library, ret);
}

enum dv_cu_result cuModuleLoad(struct dv_cu_module **module, const char *fname)
{
	DV_CALL_IN_CONTEXT(context);
	DV_NEED(module);
	return load_file(context, fname, false, module);
}

enum dv_cu_result cuModuleLoadData(struct dv_cu_module **module, const void *image)
{
	DV_CALL_IN_CONTEXT(context);
	DV_NEED(module);
	return load(context, image, false, module);
}

enum dv_cu_result cuModuleLoadDataEx(struct dv_cu_module **module, const void *image,
				     uint32_t num_options, uint32_t *options, void **option_values)
{
	DV_CALL_IN_CONTEXT(context);
	DV_NEED(module && (!num_options || (options && option_values)));
	return load(context, image, false, module);
}

enum dv_cu_result cuModuleLoadFatBinary(struct dv_cu_module **module, const void *fat_cubin)
{
	DV_CALL_IN_CONTEXT(context);
	DV_NEED(module);
	return load(context, fat_cubin, false, module);
}

static bool is_module(const struct dv_cu_module *module)
{
	return dv_cu_is(module, DV_CU_MODULE);
}

enum dv_cu_result cuModuleUnload(struct dv_cu_module *hmod)
{
	DV_CALL_IN_CONTEXT(context);
	if (!is_module(hmod) || hmod->is_library)
		return DV_CUDA_ERROR_INVALID_HANDLE;
	dv_cu_module_end(hmod);
	return DV_CUDA_SUCCESS;
}

static enum dv_cu_result get_function(struct dv_cu_module *module, const char *name,
				      struct dv_cu_function **ret)
{
	struct dv_cu_function *function;

	DV_NEED(ret && name && *name);
	if (!is_module(module))
		return DV_CUDA_ERROR_INVALID_HANDLE;
	module->starved = false;
	function = find_function(module, name, strlen(name));
	if (!function && module->open_ended)
		function = dv_cu_function_new(module, name, strlen(name));
	if (!function)
		return module->starved ? DV_CUDA_ERROR_OUT_OF_MEMORY : DV_CUDA_ERROR_NOT_FOUND;
	*ret = function;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuModuleGetFunction(struct dv_cu_function **hfunc, struct dv_cu_module *hmod,
				      const char *name)
{
	DV_CALL_IN_CONTEXT(context);
	return get_function(hmod, name, hfunc);
}

enum dv_cu_result cuModuleGetFunctionCount(uint32_t *count, struct dv_cu_module *mod)
{
	DV_CALL_IN_CONTEXT(context);
	DV_NEED(count);
	if (!is_module(mod))
		return DV_CUDA_ERROR_INVALID_HANDLE;
	*count = (uint32_t)mod->functions.len;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuModuleEnumerateFunctions(struct dv_cu_function **functions,
					     uint32_t num_functions, struct dv_cu_module *mod)
{
	DV_CALL_IN_CONTEXT(context);
	DV_NEED(functions);
	if (!is_module(mod))
		return DV_CUDA_ERROR_INVALID_HANDLE;
	for (uint32_t i = 0; i < num_functions && i < mod->functions.len; i++)
		functions[i] = mod->functions.items[i];
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuModuleGetLoadingMode(uint32_t *mode)
{
	DV_CALL();
	DV_NEED(mode);
	*mode = DV_CU_MODULE_LAZY_LOADING;
	return DV_CUDA_SUCCESS;
}

/* --- variables: only of images whose names cannot be read --- */

enum { GLOBAL_BYTES = 64 << 10 };

static enum dv_cu_result add_global(struct dv_cu_context *context, struct dv_cu_module *module,
				    const char *name, struct dv_cu_global **ret)
{
	struct dv_cu_global *global = calloc(1, sizeof(*global));
	enum dv_cu_result result = DV_CUDA_ERROR_OUT_OF_MEMORY;

	if (!global || dv_vec_reserve(&module->globals) < 0)
		goto fail;
	(void)dv_copy(global->name, sizeof(global->name), name);
	global->size = GLOBAL_BYTES;
	result = dv_cu_allocate(context, global->size, DV_CU_USE_GLOBAL, &global->ptr);
	if (result != DV_CUDA_SUCCESS)
		goto fail;
	module->globals.items[module->globals.len++] = global;
	*ret = global;
	return DV_CUDA_SUCCESS;
fail:
	free(global);
	return result;
}

static enum dv_cu_result get_global(struct dv_cu_module *module, const char *name, dv_cu_ptr *ret,
				    size_t *ret_size)
{
	struct dv_cu_context *context = dv_cu_current();
	struct dv_cu_global *global = NULL;

	DV_NEED(name);
	if (!is_module(module))
		return DV_CUDA_ERROR_INVALID_HANDLE;
	if (!context)
		return DV_CUDA_ERROR_INVALID_CONTEXT;
	for (size_t i = 0; i < module->globals.len && !global; i++)
		if (strcmp(module->globals.items[i]->name, name) == 0)
			global = module->globals.items[i];
	if (!global && (!module->open_ended || strlen(name) >= sizeof(global->name)))
		return DV_CUDA_ERROR_NOT_FOUND;
	if (!global)
		DV_TRY(add_global(context, module, name, &global));
	if (ret)
		*ret = global->ptr;
	if (ret_size)
		*ret_size = global->size;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuModuleGetGlobal_v2(dv_cu_ptr *dptr, size_t *bytes, struct dv_cu_module *hmod,
				       const char *name)
{
	DV_CALL_IN_CONTEXT(context);
	return get_global(hmod, name, dptr, bytes);
}

/* --- libraries: modules of all contexts; kernels are functions --- */

static struct dv_cu_module *module_of(struct dv_cu_library *library)
{
	struct dv_cu_module *module = (struct dv_cu_module *)library;

	return is_module(module) && module->is_library ? module : NULL;
}

static struct dv_cu_function *function_of(struct dv_cu_kernel *kernel)
{
	struct dv_cu_function *function = (struct dv_cu_function *)kernel;

	return dv_cu_is(function, DV_CU_FUNCTION) ? function : NULL;
}

enum dv_cu_result cuLibraryLoadData(struct dv_cu_library **library, const void *code,
				    uint32_t *jit_options, void **jit_options_values,
				    uint32_t num_jit_options, uint32_t *library_options,
				    void **library_option_values, uint32_t num_library_options)
{
	DV_CALL();
	DV_NEED(library);
	return load(NULL, code, true, (struct dv_cu_module **)library);
}

enum dv_cu_result cuLibraryLoadFromFile(struct dv_cu_library **library, const char *file_name,
					uint32_t *jit_options, void **jit_options_values,
					uint32_t num_jit_options, uint32_t *library_options,
					void **library_option_values, uint32_t num_library_options)
{
	DV_CALL();
	DV_NEED(library);
	return load_file(NULL, file_name, true, (struct dv_cu_module **)library);
}

enum dv_cu_result cuLibraryUnload(struct dv_cu_library *library)
{
	DV_CALL();
	if (!module_of(library))
		return DV_CUDA_ERROR_INVALID_HANDLE;
	dv_cu_module_end(module_of(library));
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuLibraryGetKernel(struct dv_cu_kernel **kernel, struct dv_cu_library *library,
				     const char *name)
{
	DV_CALL();
	return get_function(module_of(library), name, (struct dv_cu_function **)kernel);
}

enum dv_cu_result cuLibraryGetKernelCount(uint32_t *count, struct dv_cu_library *lib)
{
	const struct dv_cu_module *module;

	DV_CALL();
	DV_NEED(count);
	module = module_of(lib);
	if (!module)
		return DV_CUDA_ERROR_INVALID_HANDLE;
	*count = (uint32_t)module->functions.len;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuLibraryEnumerateKernels(struct dv_cu_kernel **kernels, uint32_t num_kernels,
					    struct dv_cu_library *lib)
{
	const struct dv_cu_module *module;

	DV_CALL();
	DV_NEED(kernels);
	module = module_of(lib);
	if (!module)
		return DV_CUDA_ERROR_INVALID_HANDLE;
	for (uint32_t i = 0; i < num_kernels && i < module->functions.len; i++)
		kernels[i] = (struct dv_cu_kernel *)module->functions.items[i];
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuLibraryGetModule(struct dv_cu_module **mod, struct dv_cu_library *library)
{
	DV_CALL_IN_CONTEXT(context);
	DV_NEED(mod);
	if (!module_of(library))
		return DV_CUDA_ERROR_INVALID_HANDLE;
	*mod = module_of(library);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuLibraryGetGlobal(dv_cu_ptr *dptr, size_t *bytes, struct dv_cu_library *library,
				     const char *name)
{
	DV_CALL_IN_CONTEXT(context);
	return get_global(module_of(library), name, dptr, bytes);
}

enum dv_cu_result cuLibraryGetManaged(dv_cu_ptr *dptr, size_t *bytes, struct dv_cu_library *library,
				      const char *name)
{
	DV_CALL();
	return module_of(library) ? DV_CUDA_ERROR_NOT_FOUND : DV_CUDA_ERROR_INVALID_HANDLE;
}

enum dv_cu_result cuKernelGetFunction(struct dv_cu_function **func, struct dv_cu_kernel *kernel)
{
	DV_CALL_IN_CONTEXT(context);
	DV_NEED(func);
	if (!function_of(kernel))
		return DV_CUDA_ERROR_INVALID_HANDLE;
	*func = function_of(kernel);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuKernelGetLibrary(struct dv_cu_library **lib, struct dv_cu_kernel *kernel)
{
	const struct dv_cu_function *function;

	DV_CALL();
	DV_NEED(lib);
	function = function_of(kernel);
	if (!function)
		return DV_CUDA_ERROR_INVALID_HANDLE;
	*lib = (struct dv_cu_library *)function->module;
	return DV_CUDA_SUCCESS;
}
