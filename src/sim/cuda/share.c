/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/cuda/share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/str.h"
#include "sim/keep.h"

#define MAGIC "dvcudaS1"

enum { REAP_NS = 1000000 };

/* Of this process: its locks last as long as it does. */
static int alive = -1;
static bool mine[DV_SHARE_TENANTS_MOST]; /* one's own locks do not show */

static void name_path(const char *dir, const char *name, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%s/%s", dir, name);
}

static void make_lock(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attributes;

	(void)pthread_mutexattr_init(&attributes);
	(void)pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	(void)pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	(void)pthread_mutex_init(lock, &attributes);
	(void)pthread_mutexattr_destroy(&attributes);
}

/* Written under another name first: what is there is whole, or is not there. */
static int make_file(const char *dir, const char *path)
{
	char temporary[DV_SIM_PATH_SIZE + 48];
	dv_autofree struct dv_share *fresh = calloc(1, sizeof(*fresh));
	int fd;

	(void)snprintf(temporary, sizeof(temporary), "%s.%d", path, (int)getpid());
	fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (!fresh || fd < 0)
		goto fail;
	fresh->size = sizeof(*fresh);
	for (unsigned i = 0; i < DV_SHARE_UNITS_MOST; i++)
		fresh->units[i].owner = -1;
	memcpy(fresh->magic, MAGIC, sizeof(fresh->magic));
	make_lock(&fresh->lock);
	/* The first one wins: link fails when the file is there. */
	if (write(fd, fresh, sizeof(*fresh)) != (ssize_t)sizeof(*fresh) ||
	    (link(temporary, path) < 0 && errno != EEXIST))
		goto fail;
	(void)unlink(temporary);
	close(fd);
	return open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
fail:
	(void)unlink(temporary);
	if (fd >= 0)
		close(fd);
	return -1;
}

/* The locks are the open file's: a child must not keep them. */
static void let_go_in_child(void)
{
	dv_closep(&alive);
	alive = -1;
}

static int open_alive(const char *dir)
{
	char path[DV_SIM_PATH_SIZE + 32];

	name_path(dir, "cuda-alive", path, sizeof(path));
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

struct dv_share *dv_share_open(const char *dir, bool make)
{
	char path[DV_SIM_PATH_SIZE + 32];
	struct dv_share *share;
	struct stat st;
	int fd;

	name_path(dir, "cuda", path, sizeof(path));
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && make && errno == ENOENT)
		fd = make_file(dir, path);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) < 0 || (size_t)st.st_size != sizeof(*share)) {
		close(fd);
		return NULL;
	}
	share = mmap(NULL, sizeof(*share), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (share == MAP_FAILED)
		return NULL;
	if (memcmp(share->magic, MAGIC, sizeof(share->magic)) != 0 ||
	    share->size != sizeof(*share)) {
		dv_share_close(share);
		return NULL;
	}
	if (make && alive < 0) {
		alive = open_alive(dir);
		(void)pthread_atfork(NULL, NULL, let_go_in_child);
	}
	return share;
}

void dv_share_close(struct dv_share *share)
{
	if (share)
		(void)munmap(share, sizeof(*share));
}

void dv_share_publish(const char *dir, const struct dv_sim_state *state)
{
	struct dv_share *share = dv_share_open(dir, false);
	uint64_t held[DV_SIM_GPUS_MOST][DV_SIM_GIS_MOST + 1] = {{0}};
	uint32_t armed = 0;

	if (!share)
		return;
	for (unsigned i = 0; i < DV_SIM_HOLDERS_MOST; i++) {
		const struct dv_sim_holder *holder = &state->holders[i];

		/* Real ones charge for themselves. */
		for (unsigned gpu = 0; holder->name[0] && !holder->live && gpu < DV_SIM_GPUS_MOST;
		     gpu++)
			if (holder->gpus & UINT32_C(1) << gpu && holder->gi < DV_SIM_GIS_MOST)
				held[gpu][holder->gi + 1] += holder->memory_bytes;
	}
	for (unsigned i = 0; i < DV_SIM_FAULTS_MOST; i++)
		armed += state->faults[i].nth != 0;
	dv_share_lock(share);
	memcpy(share->held_bytes, held, sizeof(held));
	atomic_store(&share->armed, armed);
	dv_share_unlock(share);
	dv_share_close(share);
}

void dv_share_lock(struct dv_share *share)
{
	/* The dead one left everything right after each of its stores. */
	if (pthread_mutex_lock(&share->lock) == EOWNERDEAD)
		(void)pthread_mutex_consistent(&share->lock);
}

void dv_share_unlock(struct dv_share *share)
{
	(void)pthread_mutex_unlock(&share->lock);
}

/* --- who is there --- */

static bool is_alive(int fd, unsigned tenant)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)tenant, .l_len = 1};

	return mine[tenant] || fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type != F_UNLCK;
}

static bool set_alive(unsigned tenant, short type)
{
	struct flock lock = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)tenant, .l_len = 1};

	if (alive < 0 || fcntl(alive, F_OFD_SETLK, &lock) < 0)
		return false;
	mine[tenant] = type != F_UNLCK;
	return true;
}

static void move_charge(struct dv_share *share, struct dv_share_block *block, int from)
{
	int to = -1;

	for (unsigned i = 0; i < DV_SHARE_HOLDERS_OF_BLOCK; i++) {
		if (block->holders[i] == from + 1)
			block->holders[i] = 0;
		else if (block->holders[i])
			to = block->holders[i] - 1;
	}
	if (block->charged != from) {
		return;
	} else if (to < 0) {
		block->inode = 0;
		return;
	}
	block->charged = to;
	share->tenants[to].bytes += block->bytes;
}

static void forget(struct dv_share *share, int tenant)
{
	struct dv_share_tenant *is = &share->tenants[tenant];
	struct dv_share_unit *unit = &share->units[is->unit];
	bool last = true;

	for (unsigned i = 0; i < DV_SHARE_BLOCKS_MOST; i++)
		if (share->blocks[i].inode)
			move_charge(share, &share->blocks[i], tenant);
	for (unsigned i = 0; i < DV_SHARE_EVENTS_MOST; i++)
		if (share->events[i].used && share->events[i].tenant == tenant) {
			/* Whoever waits for it waits no longer. */
			atomic_store(&share->events[i].done, UINT64_MAX);
			share->events[i].used = 0;
		}
	is->bytes = 0;
	is->ticket = 0;
	atomic_store(&is->used, 0);
	if (unit->owner == tenant)
		dv_share_pass_on(share, unit, dv_now_ns());
	for (unsigned i = 0; i < share->high; i++)
		last &= !share->tenants[i].used || share->tenants[i].unit != is->unit;
	if (last)
		unit->used = 0;
}

static void reap(struct dv_share *share, int fd)
{
	uint64_t now = dv_now_ns();

	if (share->reaped_ns <= now && now - share->reaped_ns < REAP_NS)
		return;
	share->reaped_ns = now;
	for (unsigned i = 0; i < share->high; i++)
		if (share->tenants[i].used && !is_alive(fd, i))
			forget(share, (int)i);
}

void dv_share_reap(struct dv_share *share, const char *dir)
{
	int fd = alive >= 0 ? alive : open_alive(dir);

	if (fd < 0)
		return;
	dv_share_lock(share);
	reap(share, fd);
	dv_share_unlock(share);
	if (fd != alive)
		close(fd);
}

static bool same_unit(const struct dv_share_place *a, const struct dv_share_place *b)
{
	return a->gpu == b->gpu && a->gi == b->gi && a->ci == b->ci &&
	       a->generation == b->generation && a->ci_serial == b->ci_serial;
}

static int find_unit(struct dv_share *share, const struct dv_share_place *place)
{
	int free_one = -1;

	for (int i = 0; i < DV_SHARE_UNITS_MOST; i++) {
		if (share->units[i].used && same_unit(&share->units[i].place, place))
			return i;
		if (!share->units[i].used && free_one < 0)
			free_one = i;
	}
	if (free_one >= 0) {
		share->units[free_one] =
			(struct dv_share_unit){.place = *place, .owner = -1, .next_ticket = 1};
		share->units[free_one].used = 1;
	}
	return free_one;
}

static void own_name(char *buf, size_t size)
{
	int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	if (!buf[0])
		(void)dv_copy(buf, size, "process");
}

int dv_share_join(struct dv_share *share, const struct dv_share_place *place)
{
	int found = -1, unit;

	dv_share_lock(share);
	reap(share, alive);
	unit = find_unit(share, place);
	for (int i = 0; unit >= 0 && found < 0 && i < DV_SHARE_TENANTS_MOST; i++) {
		struct dv_share_tenant *tenant = &share->tenants[i];

		if (tenant->used || !set_alive((unsigned)i, F_WRLCK))
			continue;
		tenant->pid = (uint32_t)getpid();
		tenant->uid = (uint32_t)getuid();
		own_name(tenant->name, sizeof(tenant->name));
		tenant->place = *place;
		tenant->unit = (uint32_t)unit;
		tenant->bytes = tenant->ticket = 0;
		atomic_store(&tenant->used, 1);
		if (share->high <= (uint32_t)i)
			share->high = (uint32_t)i + 1;
		found = i;
	}
	dv_share_unlock(share);
	return found;
}

void dv_share_leave(struct dv_share *share, int tenant)
{
	dv_share_lock(share);
	forget(share, tenant);
	(void)set_alive((unsigned)tenant, F_UNLCK);
	dv_share_unlock(share);
}

/* --- memory --- */

static uint64_t used_at(const struct dv_share *share, const struct dv_share_place *place)
{
	uint64_t bytes = share->held_bytes[place->gpu][place->gi + 1];

	for (unsigned i = 0; i < share->high; i++) {
		const struct dv_share_tenant *tenant = &share->tenants[i];

		if (tenant->used && tenant->place.gpu == place->gpu &&
		    tenant->place.gi == place->gi)
			bytes += tenant->bytes;
	}
	return bytes;
}

uint64_t dv_share_used(struct dv_share *share, const struct dv_share_place *place)
{
	uint64_t bytes;

	dv_share_lock(share);
	reap(share, alive);
	bytes = used_at(share, place);
	dv_share_unlock(share);
	return bytes;
}

bool dv_share_charge(struct dv_share *share, int tenant, int64_t bytes, uint64_t capacity)
{
	struct dv_share_tenant *is = &share->tenants[tenant];
	bool fits = true;

	dv_share_lock(share);
	if (bytes > 0) {
		uint64_t used;

		reap(share, alive);
		used = used_at(share, &is->place);
		fits = used <= capacity && (uint64_t)bytes <= capacity - used;
	}
	if (fits)
		is->bytes += (uint64_t)bytes; /* wraps: fewer */
	dv_share_unlock(share);
	return fits;
}

static struct dv_share_block *find_block(struct dv_share *share, uint64_t inode)
{
	for (unsigned i = 0; i < DV_SHARE_BLOCKS_MOST; i++)
		if (share->blocks[i].inode == inode)
			return &share->blocks[i];
	return NULL;
}

bool dv_share_give(struct dv_share *share, int tenant, uint64_t inode, uint64_t bytes)
{
	struct dv_share_block *block;

	dv_share_lock(share);
	block = find_block(share, inode);
	if (!block) {
		block = find_block(share, 0);
		if (block) {
			*block = (struct dv_share_block){.bytes = bytes, .charged = tenant};
			block->holders[0] = tenant + 1;
			block->inode = inode;
		}
	}
	dv_share_unlock(share);
	return block;
}

bool dv_share_take(struct dv_share *share, int tenant, uint64_t inode)
{
	struct dv_share_block *block;
	bool taken = false;

	dv_share_lock(share);
	block = find_block(share, inode);
	for (unsigned i = 0; block && !taken && i < DV_SHARE_HOLDERS_OF_BLOCK; i++)
		if (!block->holders[i] || block->holders[i] == tenant + 1) {
			block->holders[i] = tenant + 1;
			taken = true;
		}
	dv_share_unlock(share);
	return taken;
}

bool dv_share_drop(struct dv_share *share, int tenant, uint64_t inode)
{
	struct dv_share_block *block;

	dv_share_lock(share);
	block = inode ? find_block(share, inode) : NULL;
	if (block && block->charged == tenant)
		share->tenants[tenant].bytes -= block->bytes;
	if (block)
		move_charge(share, block, tenant);
	dv_share_unlock(share);
	return block;
}
