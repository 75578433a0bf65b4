/* SPDX-License-Identifier: Apache-2.0 */
/* divvy attach: what is written for a container, out of a grant and the files of a driver that the
 * test puts down. argv[1] is a library that can be loaded. */
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../temporary.h"
#include "api/api.h"
#include "base/file.h"
#include "cli/driver_files.h"
#include "fake-divvyd.h"

static const char *library;
static char dir[64];
static struct dv_api_grant grant;

static char *serve(const char *verb, const char *path)
{
	return strcmp(path, "/v1/leases/x/attach") == 0 ? fake_grant_text(&grant) : NULL;
}

static void add_env(const char *text)
{
	(void)snprintf(grant.env[grant.env_count++], sizeof(grant.env[0]), "%s", text);
}

static void put(const char *name, const char *data, size_t len, mode_t mode)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(dv_file_write(path, data, len, mode, NULL), 0);
}

static void put_library(const char *name)
{
	char *data;
	size_t len;

	assert_int_equal(dv_file_read(library, 1 << 20, &data, &len, NULL), 0);
	put(name, data, len, 0755);
	free(data);
}

static void put_link(const char *name, const char *to)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(symlink(to, path), 0);
}

static void make_dir(const char *name)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

/* A driver as packages install it, and other things of its beside it. */
static void put_driver(void)
{
	static const char *const plain[] = {
		"libnvidia-ptxjitcompiler.so.580.95.05", "libnvidia-nvvm.so.580.95.05",
		"libnvidia-opencl.so.580.95.05",	 "libnvidia-gpucomp.so.570.10",
		"libnvidia-ptxjitcompilers.so",		 "libnvidia-cfg.so.580.95.05.old",
	};

	put_library("libcuda.so.580.95.05");
	put_link("libcuda.so.1", "libcuda.so.580.95.05");
	put_library("libnvidia-ml.so.580.95.05");
	put_link("libnvidia-ml.so.1", "libnvidia-ml.so.580.95.05");
	for (size_t i = 0; i < DV_ARRAY_LEN(plain); i++)
		put(plain[i], "x", 1, 0644);
	put_link("libnvidia-ptxjitcompiler.so.1", "libnvidia-ptxjitcompiler.so.580.95.05");
	put_link("libnvidia-nvvm.so.4", "libnvidia-nvvm.so.580.95.05");
	put_link("libnvidia-nvvm.so.3", "nowhere");
	make_dir("root");
	make_dir("root/usr");
	make_dir("root/usr/bin");
	make_dir("root/dev");
	put("root/usr/bin/nvidia-smi", "#!/bin/sh\n", 10, 0755);
	put("root/dev/nvidia-uvm-tools", "", 0, 0644);
}

static int set_up(void **state)
{
	static const struct fake_answer none = {"GET", "/v1/leases/y/attach", "{}", {0}};
	static char root[96];

	assert_int_equal(temporary_make(dir, sizeof(dir), "attach"), 0);
	put_driver();
	(void)snprintf(root, sizeof(root), "%s/root", dir);
	fake_set_root(root);
	grant = fake_grant("x");
	grant.lease.ephemeral = false;
	(void)snprintf(grant.nvml, sizeof(grant.nvml), "%s/libnvidia-ml.so.1", dir);
	add_env("CUDA_VISIBLE_DEVICES=MIG-1");
	add_env("NVIDIA_VISIBLE_DEVICES=MIG-1");
	(void)snprintf(grant.devices[grant.device_count++], sizeof(grant.devices[0]),
		       "/dev/nvidia0");
	fake_divvyd(&none, 1);
	fake_divvyd_serve(serve);
	return 0;
}

static int tear_down(void **state)
{
	fake_set_root("/");
	return temporary_remove(dir);
}

/* `expected` with the directory in the place of each '@'. */
static void assert_is(const char *text, const char *expected)
{
	struct dv_buf buf = {0};
	char *whole = NULL;

	for (; *expected; expected++)
		dv_buf_add_n(&buf, *expected == '@' ? dir : expected,
			     *expected == '@' ? strlen(dir) : 1);
	assert_int_equal(dv_buf_take(&buf, &whole), 0);
	assert_string_equal(text, whole);
	free(whole);
}

#define RO "\"options\": [\"ro\", \"bind\", \"nosuid\", \"nodev\"]}"
#define LIBRARY(from, name)                                                                        \
	"{\"hostPath\": \"@/" from "\", \"containerPath\": \"/run/divvy/lib/" name "\", " RO

/* A partition: the chip's walls, and the driver's own libraries. Of NVIDIA's nothing that goes
 * round CUDA, and of no other version. */
static void test_partition(void **state)
{
	struct fake_run run;

	FAKE_RUN(&run, "attach", "x", "--as", "cdi");
	assert_string_equal(run.err,
			    "divvy: for podman: --device divvy/lease=x, and none of NVIDIA's own "
			    "devices beside it; take the file away when the lease is released\n");
	assert_int_equal(run.status, 0);
	assert_is(run.out,
		  "{\"cdiVersion\": \"0.5.0\", \"kind\": \"divvy/lease\", \"devices\": [{\"name\": "
		  "\"x\", "
		  "\"containerEdits\": {\"env\": [\"LD_LIBRARY_PATH=/run/divvy/lib\", "
		  "\"CUDA_VISIBLE_DEVICES=MIG-1\", \"NVIDIA_VISIBLE_DEVICES=void\"], "
		  "\"deviceNodes\": [{\"path\": \"/dev/nvidia0\"}, {\"path\": "
		  "\"/dev/nvidia-uvm-tools\"}], \"mounts\": [" LIBRARY("libcuda.so.580.95.05", "lib"
											       "cu"
											       "da."
											       "so") ", " LIBRARY("libcuda.so.580.95.05",
														  "libcuda.so.1") ", " LIBRARY("libcuda.so.580.95.05", "libcuda.so.580.95.05") ", " LIBRARY("libnvidia-ml.so.580.95.05", "libnvidia-ml.so") ", " LIBRARY("libnvidia-ml.so.580.95.05", "libnvidia-ml.so.1") ", " LIBRARY("libnvidi"
																																									"a-ml.so."
																																									"580.95."
																																									"05",
																																									"libnvidi"
																																									"a-ml.so."
																																									"580.95."
																																									"05") ", "
																																									      "{"
																																									      "\""
																																									      "ho"
																																									      "st"
																																									      "Pa"
																																									      "th"
																																									      "\""
																																									      ": "
																																									      "\""
																																									      "@/"
																																									      "ro"
																																									      "ot"
																																									      "/u"
																																									      "sr"
																																									      "/b"
																																									      "in"
																																									      "/n"
																																									      "vi"
																																									      "di"
																																									      "a-"
																																									      "sm"
																																									      "i"
																																									      "\""
																																									      ", "
																																									      "\""
																																									      "co"
																																									      "nt"
																																									      "ai"
																																									      "ne"
																																									      "rP"
																																									      "at"
																																									      "h"
																																									      "\""
																																									      ": "
																																									      "\""
																																									      "/u"
																																									      "sr"
																																									      "/b"
																																									      "in"
																																									      "/n"
																																									      "vi"
																																									      "di"
																																									      "a-"
																																									      "sm"
																																									      "i"
																																									      "\""
																																									      ","
																																									      " " RO
																																									      ","
																																									      " " LIBRARY(
																																										      "libnvidia-nvvm.so.580.95.05",
																																										      "libnvidia-nvvm.so.4") ", " LIBRARY("libnvidia-nvvm.so.580.95.05", "libnvidia-nvvm.so.580.95.05") ", " LIBRARY("libnvidia-ptxjitcompiler.so.580.95.05", "libnvidia-ptxjitcompiler.so.1") ", " LIBRARY("libnvidia-ptxjitcompiler.so.580.95.05",
																																																																			    "libnvidia-ptxjitcompiler.so.580.95.05") "]}}]}\n");
	fake_run_fini(&run);
}

static void remove_file(const char *name)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(unlink(path), 0);
}

/* Nothing that can ask NVML: no library of it, and no nvidia-smi either. */
static void test_without_nvml(void **state)
{
	struct fake_run run;

	remove_file("libnvidia-ml.so.1");
	FAKE_RUN(&run, "attach", "x", "--as", "cdi");
	assert_int_equal(run.status, 0);
	assert_null(strstr(run.out, "libnvidia-ml"));
	assert_null(strstr(run.out, "nvidia-smi"));
	assert_non_null(strstr(run.out, "/run/divvy/lib/libcuda.so.1"));
	fake_run_fini(&run);
}

static void assert_refused(int status, const char *part, const char *const *words)
{
	struct fake_run run;

	fake_run(&run, words);
	if (run.status != status || !strstr(run.err, part))
		fail_msg("%d\n%s", run.status, run.err);
	assert_string_equal(run.out, "");
	fake_run_fini(&run);
}
#define REFUSED(status, part, ...)                                                                 \
	assert_refused(status, part, (const char *const[]){"attach", __VA_ARGS__, NULL})

static void test_refused(void **state)
{
	REFUSED(2, "write env or cdi", "x", "--as", "cid");
	REFUSED(3, "G09", "x", "--as", "libvirt");
	REFUSED(2, "F12", "x", "--library-path", "/opt");
	REFUSED(2, "F11", "x", "--as", "cdi", "--library-path", "/a::/b");
	REFUSED(2, "F11", "x", "--as", "cdi", "--library-path", "/a:b");

	/* The driver is away: nothing is promised. */
	remove_file("libcuda.so.1");
	REFUSED(3, "G03", "x", "--as", "cdi");
	put_link("libcuda.so.1", "libcuda.so.580.95.05");

	grant.lease.ephemeral = true;
	REFUSED(3, "S21", "x", "--as", "cdi");
	grant.lease.ephemeral = false;
	/* The CPU device has no nodes. */
	grant.device_count = 0;
	REFUSED(3, "divvy attach x --as env", "x", "--as", "cdi");
	grant.device_count = 1;
	/* A name that leases may have and devices of CDI not. */
	(void)snprintf(grant.lease.name, sizeof(grant.lease.name), "x_");
	REFUSED(2, "F08", "x", "--as", "cdi");
}

/* Into a file: whole, for nobody else, and in the place of an older one. */
static void test_out(void **state)
{
	char path[96], *text;
	const mode_t mask = umask(0);
	struct fake_run run;
	struct stat st;
	size_t len;

	put("out.json", "old", 3, 0644);
	(void)snprintf(path, sizeof(path), "%s/out.json", dir);
	FAKE_RUN(&run, "attach", "x", "--as", "cdi", "-o", path, "--library-path", "/opt/a:/opt/b");
	(void)umask(mask);
	assert_int_equal(run.status, 0);
	assert_string_equal(run.out, "");
	fake_run_fini(&run);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(dv_file_read(path, 1 << 20, &text, &len, NULL), 0);
	assert_non_null(strstr(text, "LD_LIBRARY_PATH=/run/divvy/lib:/opt/a:/opt/b\""));
	free(text);

	FAKE_RUN(&run, "attach", "x", "-o", path);
	assert_int_equal(run.status, 0);
	assert_string_equal(run.err, "");
	fake_run_fini(&run);
	assert_int_equal(dv_file_read(path, 1 << 20, &text, &len, NULL), 0);
	assert_string_equal(text, "CUDA_VISIBLE_DEVICES=MIG-1\nNVIDIA_VISIBLE_DEVICES=MIG-1\n");
	free(text);

	/* Of a slice it is not enough to have these. */
	add_env("DIVVY_CUDA_LAYER=/layer");
	FAKE_RUN(&run, "attach", "x");
	assert_int_equal(run.status, 0);
	assert_non_null(strstr(run.out, "\nDIVVY_CUDA_LAYER=/layer\n"));
	assert_non_null(strstr(run.err, "divvy run --name x"));
	fake_run_fini(&run);
	FAKE_RUN(&run, "attach", "x", "--json");
	assert_string_equal(run.err, "");
	fake_run_fini(&run);
	grant.env_count--;

	(void)snprintf(path, sizeof(path), "%s/nowhere/out.json", dir);
	REFUSED(1, "nowhere", "x", "--as", "cdi", "-o", path);
	FAKE_RUN(&run, "attach", "x", "-o", "-");
	assert_string_equal(run.out, "CUDA_VISIBLE_DEVICES=MIG-1\nNVIDIA_VISIBLE_DEVICES=MIG-1\n");
	fake_run_fini(&run);
}

static void assert_version(const char *name, const char *expected)
{
	char path[PATH_MAX], version[32] = "";

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(dv_driver_version(path, version, sizeof(version)), expected[0] != '\0');
	assert_string_equal(version, expected);
}

static int count(void *arg, const char *name, const char *path)
{
	return ++*(int *)arg == 3 ? -ENOMEM : 0;
}

static void test_version(void **state)
{
	struct dv_error err = {0};
	int counted = 0;

	assert_version("libcuda.so.1", "580.95.05");
	assert_version("libcuda.so.580.95.05", "580.95.05");
	assert_version("libcuda.so.2", "");
	/* Known by a name beside it. */
	put_library("other");
	put_link("libcuda.so.2", "other");
	assert_version("libcuda.so.2", "");
	put_link("libcuda.so.570.1.", "other");
	put_link("libcuda.so.570", "other");
	put_link("libcuda.so.570.1x", "other");
	assert_version("libcuda.so.2", "");
	put_link("libcuda.so.570.1", "other");
	assert_version("libcuda.so.2", "570.1");

	assert_int_equal(dv_driver_libraries(dir, "580.95.05", count, &counted, &err), -ENOMEM);
	assert_int_equal(counted, 3);
	assert_int_equal(dv_driver_libraries("/nowhere", "1.2", count, &counted, NULL), -ENOENT);
}

int main(int argc, char **argv)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {CASE(test_partition), CASE(test_without_nvml),
					   CASE(test_refused), CASE(test_out), CASE(test_version)};

	library = argv[1];
	return argc == 2 ? cmocka_run_group_tests_name("cli/attach", tests, NULL, NULL) : 2;
}
