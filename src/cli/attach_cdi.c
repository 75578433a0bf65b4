/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/attach_cdi.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/driver_files.h"
#include "cli/run_cuda.h"
#include "cli/run_probe.h"
#include "model/cdi.h"

/* In the container. The libraries have a directory of their own: what stands in the image's or was
 * put there by others stays as it is, and is found after ours. */
#define INSIDE "/run/divvy"
#define INSIDE_LIBRARIES INSIDE "/lib"
#define INSIDE_LEASE INSIDE "/lease"

/* What the runtime is to add, and where from. */
struct sources {
	struct dv_cli *cli;
	const struct dv_api_grant *grant;
	const char *machine; /* directory of a simulated one, or NULL */
	char root[PATH_MAX]; /* of the machine's /dev and /usr; "": this one's */
	bool slice;
	struct dv_cuda_place place;
	char cuda[PATH_MAX], nvml[PATH_MAX]; /* the driver's; nvml "": there is none */
	struct dv_cdi cdi;
};

static const char *env_of(const struct dv_api_grant *grant, const char *name)
{
	size_t len = strlen(name);

	for (unsigned i = 0; i < grant->env_count; i++)
		if (strncmp(grant->env[i], name, len) == 0 && grant->env[i][len] == '=')
			return grant->env[i] + len + 1;
	return "";
}

static int no_memory(struct dv_error *err)
{
	return dv_error_set(err, -ENOMEM, "no memory for the CDI file");
}

static int check_grant(const struct dv_api_grant *grant, struct dv_error *err)
{
	const char *name = grant->lease.name;

	if (grant->lease.ephemeral)
		return dv_error_fix(
			err,
			dv_error_rule(err, -EBUSY, "S21",
				      "the lease '%s' ends with the command that it was made for, "
				      "and a container may begin at any time",
				      name),
			"make one that stays: a tenant of kind container in a fleet file, then "
			"divvy apply");
	if (grant->device_count)
		return 0;
	return dv_error_fix(
		err,
		dv_error_rule(err, -EOPNOTSUPP, "G09",
			      "the device nodes of lease '%s' (%s) are not known", name,
			      dv_method_name(grant->lease.method)),
		"a CDI file is for slices of NVIDIA's GPUs and for MIG partitions whose "
		"capabilities divvyd can read in /proc/driver/nvidia/capabilities; for others: "
		"divvy attach %s --as env",
		name);
}

/* As `divvy run`: somebody in the lease, who is heard of, else the limits would not hold. */
static int try_layer(struct sources *from, struct dv_error *err)
{
	struct dv_child_spec spec = {.grant = from->grant, .cuda_dir = from->place.dir};
	struct dv_probe probe = {0};
	sigset_t mask;

	if (sigprocmask(SIG_BLOCK, NULL, &mask) < 0)
		return dv_error_errno(err, errno, "signals");
	spec.mask = &mask;
	return dv_probe_layer(from->cli, &spec, &probe, err);
}

/* The file that stands in the place by that name; false: none. */
static bool real_in(const char *dir, const char *name, char buf[PATH_MAX])
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return realpath(path, buf);
}

static int find_in_place(struct sources *from, struct dv_error *err)
{
	int r = dv_cuda_place_make(from->grant, &from->place, err);

	r = r < 0 ? r : try_layer(from, err);
	if (r < 0)
		return r;
	if (!real_in(from->place.dir, DV_CUDA_NEEDED, from->cuda))
		return dv_error_errno(err, errno, "%s/" DV_CUDA_NEEDED, from->place.dir);
	if (!real_in(from->place.dir, DV_NVML_NEEDED, from->nvml))
		from->nvml[0] = '\0';
	return 0;
}

static int find_real(const char *name, char buf[PATH_MAX], struct dv_error *err)
{
	char found[PATH_MAX];
	int r = dv_cuda_find(name, found, err);

	if (r == 0 && !realpath(found, buf))
		r = dv_error_errno(err, errno, "%s", found);
	return r;
}

/* Without a layer: what the loader finds, or what the machine of divvyd has. */
static int find_driver(struct sources *from, struct dv_error *err)
{
	const char *nvml = from->grant->nvml[0] ? from->grant->nvml : "libnvidia-ml.so.1";
	const char *slash = strrchr(nvml, '/');
	char cuda[PATH_MAX];
	int r;

	(void)snprintf(cuda, sizeof(cuda), "%.*slibcuda.so.1", slash ? (int)(slash + 1 - nvml) : 0,
		       nvml);
	r = find_real(cuda, from->cuda, err);
	if (r == 0 && find_real(nvml, from->nvml, NULL) < 0)
		from->nvml[0] = '\0';
	return r;
}

static int add_file(struct sources *from, const char *name, const char *path)
{
	char to[PATH_MAX];

	(void)snprintf(to, sizeof(to), INSIDE_LIBRARIES "/%s", name);
	return dv_cdi_mount(&from->cdi, path, to, false);
}

/* One library of the driver's by its names: the layer instead, if there is one, and then the
 * driver's only by the name that the layer needs. */
static int add_part(struct sources *from, const char *plain, const char *layer, const char *needed,
		    const char *driver, const char *version)
{
	const char *library = layer[0] ? layer : driver;
	char name[64];
	int r;

	if (!driver[0])
		return 0;
	(void)snprintf(name, sizeof(name), "%s.1", plain);
	r = add_file(from, plain, library);
	r = r < 0 ? r : add_file(from, name, library);
	if (r == 0 && layer[0])
		return add_file(from, needed, driver);
	(void)snprintf(name, sizeof(name), "%s.%s", plain, version);
	return r < 0 || !version[0] ? r : add_file(from, name, driver);
}

static int add_library(void *arg, const char *name, const char *path)
{
	return add_file(arg, name, path);
}

static int add_others(struct sources *from, const char *version, struct dv_error *err)
{
	char dir[PATH_MAX], smi[PATH_MAX + 32];

	(void)snprintf(smi, sizeof(smi), "%s/usr/bin/nvidia-smi", from->root);
	if (from->nvml[0] && access(smi, X_OK) == 0 &&
	    dv_cdi_mount(&from->cdi, smi, "/usr/bin/nvidia-smi", false) < 0)
		return no_memory(err);
	(void)dv_copy(dir, sizeof(dir), from->cuda);
	*strrchr(dir, '/') = '\0';
	return version[0] ? dv_driver_libraries(dir, version, add_library, from, err) : 0;
}

/* What the layer reads beside itself. */
static int add_note(struct sources *from)
{
	char path[PATH_MAX];

	return from->slice && real_in(from->place.dir, DV_CUDA_NOTE, path)
		       ? add_file(from, DV_CUDA_NOTE, path)
		       : 0;
}

static int add_libraries(struct sources *from, struct dv_error *err)
{
	const char *cuda_layer = from->slice ? env_of(from->grant, "DIVVY_CUDA_LAYER") : "";
	const char *nvml_layer = from->slice ? env_of(from->grant, "DIVVY_NVML_LAYER") : "";
	char version[64] = "";
	int r;

	if (!dv_driver_version(from->cuda, version, sizeof(version)))
		version[0] = '\0';
	r = add_part(from, "libcuda.so", cuda_layer, DV_CUDA_NEEDED, from->cuda, version);
	r = r < 0 ? r
		  : add_part(from, "libnvidia-ml.so", nvml_layer, DV_NVML_NEEDED, from->nvml,
			     version);
	r = r < 0 ? r : add_note(from);
	return r < 0 ? no_memory(err) : add_others(from, version, err);
}

/* A simulated machine's nodes are files, which no runtime takes for devices. */
static int add_node(struct sources *from, const char *node)
{
	char path[PATH_MAX + 64], real[PATH_MAX];

	if (!from->machine)
		return dv_cdi_node(&from->cdi, node);
	(void)snprintf(path, sizeof(path), "%s%s", from->root, node);
	return realpath(path, real) ? dv_cdi_mount(&from->cdi, real, node, false) : 0;
}

static int add_nodes(struct sources *from)
{
	static const char tools[] = "/dev/nvidia-uvm-tools";
	char path[PATH_MAX + 32];
	int r = 0;

	for (unsigned i = 0; r == 0 && i < from->grant->device_count; i++)
		r = add_node(from, from->grant->devices[i]);
	(void)snprintf(path, sizeof(path), "%s%s", from->root, tools);
	return r == 0 && access(path, F_OK) == 0 ? add_node(from, tools) : r;
}

/* The directory, not the socket: that is another one when divvyd has started anew. */
static int add_lease(struct sources *from)
{
	const char *socket = env_of(from->grant, "DIVVY_LEASE_SOCKET");
	const char *slash = strrchr(socket, '/');
	char path[PATH_MAX + 32];
	int r;

	if (!from->slice || !slash)
		return 0;
	(void)snprintf(path, sizeof(path), INSIDE_LEASE "%s", slash);
	r = dv_cdi_env(&from->cdi, "DIVVY_LEASE_SOCKET", path);
	r = r < 0 ? r
		  : dv_cdi_env(&from->cdi, "DIVVY_LEASE_NONCE",
			       env_of(from->grant, "DIVVY_LEASE_NONCE"));
	(void)snprintf(path, sizeof(path), "%.*s", (int)(slash - socket), socket);
	return r < 0 ? r : dv_cdi_mount(&from->cdi, path, INSIDE_LEASE, false);
}

/* A simulated machine's driver works on files, where a real one's is in the kernel. What of
 * divvyd's is among them is covered. */
static int add_machine(struct sources *from)
{
	static const char *const covered[] = {"run", "divvyd"};
	char nothing[PATH_MAX + 8], path[PATH_MAX + 8];
	int r = dv_cdi_mount(&from->cdi, from->machine, from->machine, true);

	(void)snprintf(nothing, sizeof(nothing), "%s/dev", from->root);
	for (size_t i = 0; r == 0 && i < DV_ARRAY_LEN(covered); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", from->machine, covered[i]);
		r = dv_cdi_mount(&from->cdi, nothing, path, false);
	}
	return r;
}

/* NVIDIA's own runtime and hook, where they are, are told to do nothing: images ask them for all
 * GPUs by that variable. */
static int add_env(struct sources *from, const char *library_path)
{
	dv_autofree char *path = NULL;
	int r;

	if (asprintf(&path, INSIDE_LIBRARIES "%s%s", library_path ? ":" : "",
		     library_path ? library_path : "") < 0)
		return -ENOMEM;
	r = dv_cdi_env(&from->cdi, "LD_LIBRARY_PATH", path);
	r = r < 0 ? r
		  : dv_cdi_env(&from->cdi, "CUDA_VISIBLE_DEVICES",
			       env_of(from->grant, "CUDA_VISIBLE_DEVICES"));
	r = r < 0 ? r : dv_cdi_env(&from->cdi, "NVIDIA_VISIBLE_DEVICES", "void");
	if (r < 0 || !from->machine)
		return r;
	r = dv_cdi_env(&from->cdi, "DIVVY_SIM_MACHINE", from->machine);
	return r < 0 ? r : add_machine(from);
}

static int fill(struct sources *from, const char *library_path, struct dv_error *err)
{
	int r = add_env(from, library_path);

	r = r < 0 ? r : add_lease(from);
	r = r < 0 ? r : add_nodes(from);
	return r < 0 ? no_memory(err) : add_libraries(from, err);
}

static void say_unknown_context(struct dv_cli *cli)
{
	struct dv_error note = {0};

	dv_error_set(&note, -EAGAIN,
		     "what a CUDA context takes of this GPU could not be measured "
		     "now, and will not be counted in containers of this file");
	dv_error_fix(&note, -EAGAIN, "write the file again when the GPU is quiet");
	dv_warning(cli, &note);
}

int dv_attach_cdi(struct dv_cli *cli, const struct dv_api_grant *grant, const char *library_path,
		  char **ret_text, struct dv_error *err)
{
	struct sources *from = calloc(1, sizeof(*from));
	int r;

	if (!from)
		return no_memory(err);
	from->cli = cli;
	from->grant = grant;
	from->cdi.name = grant->lease.name;
	from->slice = env_of(grant, "DIVVY_CUDA_LAYER")[0];
	from->machine = cli->driver_dir;
	if (from->machine)
		(void)snprintf(from->root, sizeof(from->root), "%s/root", from->machine);
	else if (strcmp(cli->root, "/") != 0)
		(void)dv_copy(from->root, sizeof(from->root), cli->root);
	r = check_grant(grant, err);
	if (r == 0)
		r = from->slice ? find_in_place(from, err) : find_driver(from, err);
	r = r < 0 ? r : fill(from, library_path, err);
	r = r < 0 ? r : dv_cdi_print(&from->cdi, ret_text, err);
	if (r == 0 && from->slice && !dv_cuda_place_context(&from->place))
		say_unknown_context(cli);
	dv_cdi_fini(&from->cdi);
	free(from);
	return r;
}
