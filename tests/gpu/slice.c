/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in divvy's place on a machine without divvyd: starts a program in a lease of
 * gate-server, or in none, or in what another product has. The bench's cases call it as they would
 * call divvy.
 *
 *   slice --socket DIR run [--name N] [--memory M] [--compute P] [--policy W] ... -- COMMAND...
 *   slice find LIBRARY     the file that the loader finds for it
 *   slice context          what a context takes of the first GPU's memory, in bytes
 *
 * DIVVY_KIT_HOW says how: "divvy" (also if it is not set): a lease of DIR/control, with the
 * directory DIVVY_KIT_PLACE before everything else in the loader's path; "plain": nothing;
 * "hami": HAMi-core's library, HAMI_CORE, with its own variables for the same limits. The command
 * takes this process's place: it keeps the connection, and with it the lease, until it ends. */
#include <dlfcn.h>
#include <getopt.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "bench/cuda-context.h"
#include "model/units.h"

enum { REFUSED = 3, SAID_MOST = 512, PATH_MOST = 4096, MIB_SHIFT = 20 };

struct asked {
	const char *dir, *name, *memory, *compute, *policy;
	char **command;
};

static int find(const char *library)
{
	void *handle = dlopen(library, RTLD_LAZY | RTLD_LOCAL);
	struct link_map *map = NULL;

	if (!handle || dlinfo(handle, RTLD_DI_LINKMAP, &map) < 0) {
		(void)fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	(void)puts(map->l_name);
	return 0;
}

static int context(void)
{
	void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
	struct dv_context_calls calls;
	dv_cuInit_fn *begin = NULL;
	uint64_t bytes = 0;

	if (driver)
		*(void **)&begin = dlsym(driver, "cuInit");
	if (!begin || !dv_context_calls_find(driver, &calls) || begin(0) != DV_CUDA_SUCCESS ||
	    !dv_context_measure(&calls, &bytes)) {
		(void)fprintf(stderr, "a context cannot be measured\n");
		return 1;
	}
	(void)printf("%" PRIu64 "\n", bytes);
	return 0;
}

static int put_before(const char *name, const char *value, struct dv_error *err)
{
	char both[PATH_MOST];
	const char *others = getenv(name);

	if ((size_t)snprintf(both, sizeof(both), "%s%s%s", value, others && *others ? ":" : "",
			     others ? others : "") >= sizeof(both) ||
	    setenv(name, both, 1) < 0)
		return dv_error_set(err, -E2BIG, "%s gets too long", name);
	return 0;
}

static int put(const char *name, const char *value, struct dv_error *err)
{
	return setenv(name, value, 1) < 0 ? dv_error_errno(err, errno, "setting %s", name) : 0;
}

static int ask(const struct asked *asked, char answer[SAID_MOST], struct dv_error *err)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char said[SAID_MOST];
	/* Not closed on exec: with it the lease would end. */
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	ssize_t n;

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%.90s/control", asked->dir);
	(void)snprintf(said, sizeof(said), "open %s %s %s %s", asked->name, asked->memory,
		       asked->compute, asked->policy);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    send(fd, said, strlen(said), MSG_NOSIGNAL) < 0)
		return dv_error_errno(err, errno, "asking at %s", at.sun_path);
	n = recv(fd, answer, SAID_MOST - 1, 0);
	if (n <= 0)
		return dv_error_set(err, -EPROTO, "gate-server hung up");
	answer[n] = '\0';
	return strncmp(answer, "ok ", 3) == 0 ? 0 : dv_error_set(err, -EPERM, "%.400s", answer);
}

static int enter_lease(const struct asked *asked, struct dv_error *err)
{
	const char *place = getenv("DIVVY_KIT_PLACE");
	char answer[SAID_MOST] = "", *save = NULL, *socket_path, *nonce;
	int r = place ? ask(asked, answer, err)
		      : dv_error_set(err, -EINVAL, "DIVVY_KIT_PLACE is not set");

	if (r < 0)
		return r;
	socket_path = strtok_r(answer + strlen("ok "), " ", &save);
	nonce = strtok_r(NULL, " ", &save);
	if (!socket_path || !nonce)
		return dv_error_set(err, -EPROTO, "gate-server's answer is cut short");
	r = put("DIVVY_LEASE_SOCKET", socket_path, err);
	if (r == 0)
		r = put("DIVVY_LEASE_NONCE", nonce, err);
	if (r == 0)
		r = put_before("LD_LIBRARY_PATH", place, err);
	return r;
}

/* Each tenant is a container of its own there: it has its own file of counters. Without "force" a
 * tenant that is alone has no limit of time. */
static int enter_hami(const struct asked *asked, struct dv_error *err)
{
	const char *library = getenv("HAMI_CORE");
	char number[32], cache[256];
	uint64_t bytes = 0;
	uint32_t mpct = 0;
	int r = library ? dv_size_parse(asked->memory, &bytes, err)
			: dv_error_set(err, -EINVAL, "HAMI_CORE is not set");

	if (r == 0)
		r = dv_share_parse(asked->compute, &mpct, err);
	if (r < 0)
		return r;
	(void)snprintf(number, sizeof(number), "%" PRIu64 "m", bytes >> MIB_SHIFT);
	(void)snprintf(cache, sizeof(cache), "%.120s/hami-%.60s", asked->dir, asked->name);
	r = put("CUDA_DEVICE_MEMORY_LIMIT", number, err);
	(void)snprintf(number, sizeof(number), "%" PRIu32, mpct / 1000);
	if (r == 0)
		r = put("CUDA_DEVICE_SM_LIMIT", number, err);
	if (r == 0)
		r = put("CUDA_DEVICE_MEMORY_SHARED_CACHE", cache, err);
	if (r == 0)
		r = put("GPU_CORE_UTILIZATION_POLICY", "force", err);
	return r == 0 ? put_before("LD_PRELOAD", library, err) : r;
}

static int enter(const struct asked *asked, struct dv_error *err)
{
	const char *how = getenv("DIVVY_KIT_HOW");

	if (!how || strcmp(how, "divvy") == 0)
		return enter_lease(asked, err);
	if (strcmp(how, "hami") == 0)
		return enter_hami(asked, err);
	if (strcmp(how, "plain") == 0)
		return 0;
	return dv_error_set(err, -EINVAL, "DIVVY_KIT_HOW is divvy, plain or hami, not '%.20s'",
			    how);
}

enum { OTHER = 256 };

static const struct option longs[] = {
	{"socket", required_argument, NULL, 's'},   {"name", required_argument, NULL, 'n'},
	{"memory", required_argument, NULL, 'm'},   {"compute", required_argument, NULL, 'c'},
	{"policy", required_argument, NULL, 'p'},   {"gpu", required_argument, NULL, OTHER},
	{"method", required_argument, NULL, OTHER}, {NULL, 0, NULL, 0}};

static int parse(int argc, char **argv, struct asked *ret, struct dv_error *err)
{
	int c, r = 0;

	*ret = (struct asked){.dir = "",
			      .name = "tenant",
			      .memory = "1GiB",
			      .compute = "100%",
			      .policy = "best-effort"};
	/* "run" stands between the options. */
	while (r == 0 && (c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 's')
			ret->dir = optarg;
		else if (c == 'n')
			ret->name = optarg;
		else if (c == 'm')
			ret->memory = optarg;
		else if (c == 'c')
			ret->compute = optarg;
		else if (c == 'p')
			ret->policy = optarg;
		else if (c != OTHER)
			r = dv_error_set(err, -EINVAL, "unknown option");
	}
	if (r == 0 && (optind + 1 >= argc || strcmp(argv[optind], "run") != 0))
		r = dv_error_set(err, -EINVAL, "slice --socket DIR run OPTIONS -- COMMAND");
	ret->command = argv + optind + 1;
	return r;
}

int main(int argc, char **argv)
{
	struct dv_error err = {0};
	struct asked asked;
	int r;

	if (argc == 3 && strcmp(argv[1], "find") == 0)
		return find(argv[2]);
	if (argc == 2 && strcmp(argv[1], "context") == 0)
		return context();
	r = parse(argc, argv, &asked, &err);
	if (r == 0)
		r = enter(&asked, &err);
	if (r < 0) {
		(void)fprintf(stderr, "divvy: %s\n", err.msg);
		return REFUSED;
	}
	(void)execvp(asked.command[0], asked.command);
	(void)fprintf(stderr, "%s: %s\n", asked.command[0], strerror(errno));
	return 127;
}
