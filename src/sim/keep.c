/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/keep.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/str.h"
#include "sim/cuda/share.h"
#include "sim/tree.h"

/* What stands before the bytes of a struct in a file. */
struct head {
	char magic[8];
	uint64_t size;
	uint64_t hash; /* of the bytes */
};

#define MAGIC_MACHINE "dvsimM2"
#define MAGIC_STATE "dvsimS2"

bool dv_sim_keep_find(const void *inside, char *buf, size_t size)
{
	const char *said = secure_getenv("DIVVY_SIM_MACHINE");
	Dl_info info;
	char *slash;

	if (said)
		return dv_copy(buf, size, said);
	if (!dladdr(inside, &info) || !info.dli_fname || !dv_copy(buf, size, info.dli_fname))
		return false;
	slash = strrchr(buf, '/');
	if (!slash)
		return dv_copy(buf, size, ".");
	*slash = '\0';
	return true;
}

static int path_of(const char *dir, const char *name, char *buf, struct dv_error *err)
{
	int n = snprintf(buf, DV_SIM_PATH_SIZE, "%s/%s", dir, name);

	if (n < 0 || n >= DV_SIM_PATH_SIZE)
		return dv_error_set(err, -E2BIG, "the directory's name is too long: %.64s...", dir);
	return 0;
}

/* By words, since every call reads the state. */
static uint64_t sum(const void *data, size_t size)
{
	uint64_t hash = DV_HASH_INIT, word;

	for (size_t i = 0; i + sizeof(word) <= size; i += sizeof(word)) {
		memcpy(&word, (const char *)data + i, sizeof(word));
		hash = (hash ^ word) * UINT64_C(0x100000001b3);
	}
	return hash;
}

/* Not fsynced: a machine that is only simulated need not outlive the real one's power. */
static int write_whole(const char *dir, const char *name, const char *magic, const void *data,
		       size_t size, struct dv_error *err)
{
	struct head head = {.size = size, .hash = sum(data, size)};
	char path[DV_SIM_PATH_SIZE], temporary[DV_SIM_PATH_SIZE + 16];
	int r = path_of(dir, name, path, err);

	if (r < 0)
		return r;
	(void)dv_copy(head.magic, sizeof(head.magic), magic);
	(void)snprintf(temporary, sizeof(temporary), "%s.%d", path, (int)getpid());
	dv_autoclose int fd =
		open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return dv_error_errno(err, errno, "%s", temporary);
	if (write(fd, &head, sizeof(head)) != (ssize_t)sizeof(head) ||
	    write(fd, data, size) != (ssize_t)size) {
		r = dv_error_errno(err, errno ? errno : ENOSPC, "writing %s", temporary);
		(void)unlink(temporary);
		return r;
	}
	if (rename(temporary, path) < 0)
		return dv_error_errno(err, errno, "%s", path);
	return 0;
}

static int read_whole(const char *dir, const char *name, const char *magic, void *data, size_t size,
		      struct dv_error *err)
{
	char path[DV_SIM_PATH_SIZE];
	struct head head;
	int r = path_of(dir, name, path, err);

	if (r < 0)
		return r;
	dv_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return dv_error_errno(err, errno, "%s", path);
	if (read(fd, &head, sizeof(head)) != (ssize_t)sizeof(head) ||
	    strncmp(head.magic, magic, sizeof(head.magic)) != 0 || head.size != size ||
	    read(fd, data, size) != (ssize_t)size || sum(data, size) != head.hash) {
		r = dv_error_set(err, -EPROTO, "%s was made by another divvy, or is damaged", path);
		return dv_error_fix(err, r, "remove %s, and make the machine again", dir);
	}
	return 0;
}

int dv_sim_keep_read_machine(const char *dir, struct dv_sim_machine *ret, struct dv_error *err)
{
	return read_whole(dir, "machine", MAGIC_MACHINE, ret, sizeof(*ret), err);
}

static int lock(const char *dir, struct dv_sim_keep *ret, struct dv_error *err)
{
	char path[DV_SIM_PATH_SIZE];
	int r = path_of(dir, "lock", path, err);

	if (r < 0)
		return r;
	dv_autoclose int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return dv_error_errno(err, errno, "%s", path);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return dv_error_errno(err, errno, "locking %s", path);
	(void)dv_copy(ret->dir, sizeof(ret->dir), dir);
	ret->lock = take_fd(fd);
	return 0;
}

static void unlock(struct dv_sim_keep *keep)
{
	dv_closep(&keep->lock);
	keep->lock = -1;
}

static void add_live(struct dv_sim_state *state, const struct dv_share_tenant *tenant)
{
	struct dv_sim_holder holder = {.pid = tenant->pid,
				       .uid = tenant->uid,
				       .use = DV_SIM_COMPUTE,
				       .gpus = UINT32_C(1) << tenant->place.gpu,
				       .gi = tenant->place.gi,
				       .ci = tenant->place.ci,
				       .memory_bytes = tenant->bytes,
				       .live = true};

	memcpy(holder.name, tenant->name, DV_MIN(sizeof(holder.name), sizeof(tenant->name)));
	for (unsigned i = 0; i < DV_SIM_HOLDERS_MOST; i++)
		if (!state->holders[i].name[0]) {
			state->holders[i] = holder;
			return;
		}
}

/* The real processes that compute, as holders like the others. Returns who they are, as a number.
 */
static uint64_t add_all_live(const char *dir, struct dv_sim_state *state)
{
	struct dv_share *share = dv_share_open(dir, false);
	uint64_t hash = 0;

	if (!share)
		return 0;
	dv_share_reap(share, dir);
	dv_share_lock(share);
	for (uint32_t i = 0; i < share->high; i++) {
		const struct dv_share_tenant *tenant = &share->tenants[i];

		if (!tenant->used || tenant->place.gpu >= DV_SIM_GPUS_MOST)
			continue;
		add_live(state, tenant);
		hash = dv_hash(hash ? hash : DV_HASH_INIT, &tenant->pid, sizeof(tenant->pid));
		hash = dv_hash(hash, &tenant->place, sizeof(tenant->place));
	}
	dv_share_unlock(share);
	dv_share_close(share);
	return hash;
}

int dv_sim_keep_begin(const char *dir, struct dv_sim_keep *ret, struct dv_sim_state *ret_state,
		      struct dv_error *err)
{
	int r = lock(dir, ret, err);

	if (r < 0)
		return r;
	r = read_whole(dir, "state", MAGIC_STATE, ret_state, sizeof(*ret_state), err);
	if (r < 0)
		unlock(ret);
	else
		ret->live_hash = add_all_live(dir, ret_state);
	return r;
}

/* States are copies of one another, with what lies between their members. */
static bool same(const void *a, const void *b, size_t size)
{
	return memcmp(a, b, size) == 0;
}

static int write_state(const struct dv_sim_keep *keep, const struct dv_sim_state *state,
		       struct dv_error *err)
{
	dv_autofree struct dv_sim_state *file = malloc(sizeof(*file));

	if (!file)
		return dv_error_set(err, -ENOMEM, "no memory for a simulated machine");
	memcpy(file, state, sizeof(*file));
	file->live_hash = keep->live_hash;
	for (unsigned i = 0; i < DV_SIM_HOLDERS_MOST; i++)
		if (file->holders[i].live)
			memset(&file->holders[i], 0, sizeof(file->holders[i]));
	dv_share_publish(keep->dir, file);
	return write_whole(keep->dir, "state", MAGIC_STATE, file, sizeof(*file), err);
}

int dv_sim_keep_end(struct dv_sim_keep *keep, const struct dv_sim_machine *machine,
		    const struct dv_sim_state *seen, const struct dv_sim_state *state,
		    struct dv_error *err)
{
	bool others = keep->live_hash != state->live_hash;
	int r = 0;

	if (others || !same(seen, state, sizeof(*state)))
		r = write_state(keep, state, err);
	/* Counting calls changes nothing that the tree shows. */
	if (r == 0 && (others || !same(seen->gpus, state->gpus, sizeof(state->gpus)) ||
		       !same(seen->holders, state->holders, sizeof(state->holders))))
		r = dv_sim_tree_write(keep->dir, machine, state, err);
	unlock(keep);
	return r;
}

static int make_link(const char *dir, const char *name, const char *to, struct dv_error *err)
{
	char path[DV_SIM_PATH_SIZE];
	int r = path_of(dir, name, path, err);

	if (r == 0 && symlink(to, path) < 0 && errno != EEXIST)
		r = dv_error_errno(err, errno, "%s", path);
	return r;
}

/* As the driver's package has them: libcuda.so, libcuda.so.1, and the file of its version. */
static int make_links(const char *dir, const struct dv_sim_machine *machine,
		      const struct dv_sim_libraries *libraries, struct dv_error *err)
{
	char versioned[64];
	int r = make_link(dir, "libnvidia-ml.so.1", libraries->nvml, err);

	(void)snprintf(versioned, sizeof(versioned), "libcuda.so.%s", machine->driver);
	if (r == 0 && libraries->cuda)
		r = make_link(dir, versioned, libraries->cuda, err);
	if (r == 0 && libraries->cuda)
		r = make_link(dir, "libcuda.so.1", versioned, err);
	if (r == 0 && libraries->cuda)
		r = make_link(dir, "libcuda.so", "libcuda.so.1", err);
	return r;
}

int dv_sim_keep_make(const char *dir, const struct dv_sim_machine *machine,
		     const struct dv_sim_libraries *libraries, struct dv_error *err)
{
	dv_autofree struct dv_sim_state *state = calloc(1, sizeof(*state));
	struct dv_sim_keep keep = {.lock = -1};
	char path[DV_SIM_PATH_SIZE];
	struct stat st;
	int r = path_of(dir, "machine", path, err);

	if (!state)
		return dv_error_set(err, -ENOMEM, "no memory for a simulated machine");
	if (r == 0)
		r = dv_sim_start(machine, state, err);
	if (r < 0)
		return r;
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return dv_error_errno(err, errno, "%s", dir);
	r = lock(dir, &keep, err);
	if (r == 0 && lstat(path, &st) == 0)
		r = dv_error_set(err, -EEXIST, "%s holds a machine already", dir);
	if (r == 0)
		r = make_links(dir, machine, libraries, err);
	if (r == 0)
		r = dv_sim_tree_write(dir, machine, state, err);
	if (r == 0)
		r = write_whole(dir, "state", MAGIC_STATE, state, sizeof(*state), err);
	/* Last: with it the machine is there. */
	if (r == 0)
		r = write_whole(dir, "machine", MAGIC_MACHINE, machine, sizeof(*machine), err);
	unlock(&keep);
	return r;
}
