/* SPDX-License-Identifier: Apache-2.0 */
/* NVIDIA's GPUs through the library, on simulated machines: whatever the machine's driver is like,
 * and whatever goes wrong at whichever call. */
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "../temporary.h"
#include "device/capability.h"
#include "device/nvml-inside.h"
#include "device/nvml.h"

extern char **environ;

static char dir[64], library[96];
static struct dv_nvml *nvml;
static struct dv_nvml_gpus gpus;

/* Runs divvy-sim; returns its exit status. */
static int run(char **argv)
{
	posix_spawn_file_actions_t actions;
	int status = 0;
	pid_t pid;

	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	assert_int_equal(posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", 1, 0), 0);
	assert_int_equal(posix_spawn(&pid, DIVVY_SIM, &actions, NULL, argv, environ), 0);
	(void)posix_spawn_file_actions_destroy(&actions);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* divvy-sim VERB DIR WORD... */
static int sim(const char *verb, const char *a, const char *b, const char *c, const char *d)
{
	char *argv[] = {(char *)DIVVY_SIM, (char *)verb, dir,	    (char *)a,
			(char *)b,	   (char *)c,	 (char *)d, NULL};

	return run(argv);
}

/* A process computes in that compute instance. */
static int hold_in(const char *gpu, const char *gi, const char *ci)
{
	char *argv[] = {(char *)DIVVY_SIM, (char *)"hold",    dir,
			(char *)gpu,	   (char *)"python3", (char *)"compute",
			(char *)gi,	   (char *)ci,	      NULL};

	return run(argv);
}

static int before(void **state)
{
	return temporary_make(dir, sizeof(dir), "nvml");
}

static int after(void **state)
{
	dv_vec_fini(&gpus);
	dv_nvml_close(nvml);
	nvml = NULL;
	return temporary_remove(dir);
}

static void observe(void)
{
	struct dv_error err = {0};

	dv_vec_fini(&gpus);
	if (dv_nvml_observe(nvml, &gpus, &err) < 0)
		fail_msg("%s", err.msg);
}

static void make(const char *machine)
{
	struct dv_error err = {0};

	assert_int_equal(sim("new", machine, NULL, NULL, NULL), 0);
	(void)snprintf(library, sizeof(library), "%s/libnvidia-ml.so.1", dir);
	if (dv_nvml_open(library, &nvml, &err) < 0)
		fail_msg("%s", err.msg);
	observe();
}

static const char *uuid(void)
{
	return gpus.items[0].uuid;
}

static void turn(bool on)
{
	enum dv_mig_when when = DV_MIG_WHEN_RESET;
	struct dv_error err = {0};

	if (dv_nvml_set_mig(nvml, uuid(), on, &when, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(when, DV_MIG_WHEN_NOW);
	observe();
}

static const struct dv_mig_profile *profile(const char *name)
{
	const struct dv_mig_profile *found = dv_mig_find(&gpus.items[0].mig, name);

	if (!found)
		fail_msg("no profile %s", name);
	return found ? found : gpus.items[0].mig.profiles;
}

static void refused(int r, int code, const char *rule, const struct dv_error *err)
{
	if (r != code || err->code != code || strcmp(err->rule, rule) != 0 || !err->msg[0])
		fail_msg("%d, not %d by %s: %s (%s)", r, code, rule, err->msg, err->rule);
}

static void test_what_there_is(void **state)
{
	char driver[32];

	make("dgx-h100");
	assert_int_equal(gpus.len, 8);
	assert_int_equal(dv_nvml_driver(nvml, driver, sizeof(driver), NULL), 0);
	assert_string_equal(driver, "580.95.05");
	assert_string_equal(gpus.items[1].address, "0000:43:00.0");
	assert_string_equal(gpus.items[1].name, "NVIDIA H100 80GB HBM3");
	assert_int_equal(gpus.items[1].device, 0x2330);
	assert_int_equal(gpus.items[1].mig.minor, 1);
	assert_int_equal(gpus.items[1].mig.mode, DV_MIG_OFF);
	assert_false(gpus.items[1].mig.resets);
	assert_int_equal(gpus.items[1].mig.cells, 8);
	assert_int_equal(gpus.items[1].mig.compute_slices, 7);
	assert_int_equal(gpus.items[1].compute_major, 9);
	/* This driver lists profiles with MIG off. */
	assert_int_equal(gpus.items[1].mig.profile_count, 7);
	assert_int_equal(profile("2g.20gb")->starts, 0x15);
	assert_int_equal(profile("2g.20gb")->size, 2);
	assert_int_equal(profile("1g.10gb+me")->most, 1);
}

static void test_no_mig(void **state)
{
	enum dv_mig_when when;
	struct dv_error err = {0};
	uint32_t id = 77;

	make("lab-4090");
	assert_int_equal(gpus.items[0].mig.mode, DV_MIG_NONE);
	assert_int_equal(gpus.items[0].mig.profile_count, 0);
	refused(dv_nvml_set_mig(nvml, uuid(), true, &when, &err), -EOPNOTSUPP, "M02", &err);
	dv_error_clear(&err);
	assert_true(dv_nvml_create(nvml, uuid(), 19, 0, &id, &err) < 0);
	assert_int_equal(id, 77);
}

static void test_twelve_cells(void **state)
{
	make("rtx-pro-6000x8");
	assert_int_equal(profile("1g.24gb")->starts, 1 | 1 << 3 | 1 << 6 | 1 << 9);
	assert_int_equal(profile("1g.24gb")->size, 3);
	assert_true(profile("2g.48gb+gfx")->graphics);
	assert_false(profile("2g.48gb")->graphics);
	assert_int_equal(profile("1g.24gb+me.all")->engines[DV_MIG_DECODE], 4);
	assert_int_equal(gpus.items[0].mig.cells, 12);
}

static void test_holders(void **state)
{
	struct dv_error err = {0};
	uint32_t id = 0, part = 0;
	char gi[16];

	make("dgx-h100");
	turn(true);
	assert_int_equal(dv_nvml_create(nvml, uuid(), profile("1g.20gb")->id, 6, &id, &err), 0);
	assert_int_equal(dv_nvml_create_part(nvml, uuid(),
					     &(struct dv_mig_part_wish){id, 1, DV_MIG_ANYWHERE},
					     &part, &err),
			 0);
	(void)snprintf(gi, sizeof(gi), "%u", id);
	assert_int_equal(hold_in("0", gi, "0"), 0);
	observe();
	assert_int_equal(gpus.items[0].mig.instances[0].holder_count, 1);
	refused(dv_nvml_destroy_part(nvml, uuid(), id, part, &err), -EBUSY, "M05", &err);
}

/* A driver younger than divvy. */
static void test_unheard_of(void **state)
{
	make("hgx-b200");
	assert_int_equal(profile("1g.23gb+x")->id, 71);
}

/* A driver that counts wrongly. */
static void test_counts(void **state)
{
	make("a30x4");
	assert_int_equal(gpus.items[0].mig.profile_count, 0);
	turn(true);
	assert_int_equal(gpus.items[0].mig.profile_count, 5);
	assert_int_equal(profile("1g.6gb")->most, 4);
	assert_int_equal(profile("2g.12gb")->most, 2);
}

/* A driver of 2021: names are made, calls that came later are not missed. */
static void test_old_driver(void **state)
{
	struct dv_mig_part_wish wish = {.slices = 4, .start = DV_MIG_ANYWHERE};
	struct dv_nvml_user users[4];
	struct dv_error err = {0};
	unsigned count = 9;
	uint32_t id = 0, part = 9;

	make("dgx-a100-r460");
	assert_int_equal(gpus.items[0].mig.profile_count, 5);
	assert_int_equal(profile("1g.5gb")->most, 7);
	assert_int_equal(dv_nvml_create(nvml, uuid(), profile("4g.20gb")->id, 0, &id, &err), 0);
	wish.instance = id;
	assert_int_equal(dv_nvml_create_part(nvml, uuid(), &wish, &part, &err), 0);
	assert_int_equal(part, 0);
	/* Where it cannot be told a place for compute instances, it says so. */
	assert_int_equal(dv_nvml_destroy_part(nvml, uuid(), id, 0, &err), 0);
	wish.start = 0;
	refused(dv_nvml_create_part(nvml, uuid(), &wish, &part, &err), -EOPNOTSUPP, "M07", &err);
	dv_error_clear(&err);
	refused(dv_nvml_create(nvml, uuid(), profile("3g.20gb")->id, 4, &part, &err), -ENOSPC,
		"M04", &err);
	dv_error_clear(&err);
	assert_int_equal(dv_nvml_users(nvml, uuid(), users, 4, &count, NULL), 0);
	assert_int_equal(count, 0);
	assert_int_equal(dv_nvml_create_part(nvml, uuid(),
					     &(struct dv_mig_part_wish){id, 4, DV_MIG_ANYWHERE},
					     &part, &err),
			 0);
	observe();
	assert_int_equal(gpus.items[0].mig.instance_count, 1);
	/* Before R470 a device is named after its GPU. */
	assert_int_equal(strncmp(gpus.items[0].mig.computes[0].uuid, "MIG-GPU-", 8), 0);
}

static void test_derived_names(void **state)
{
	static const struct {
		uint8_t slices;
		unsigned mib, number;
		uint64_t total_mib;
		const char *name;
	} rows[] = {{1, 4864, 0, 40960, "1g.5gb"},   {1, 4864, 7, 40960, "1g.5gb+me"},
		    {7, 40192, 4, 40960, "7g.40gb"}, {3, 19968, 2, 40960, "3g.20gb"},
		    {1, 9984, 0, 81559, "1g.10gb"},  {1, 5952, 0, 24576, "1g.6gb"},
		    {4, 24000, 3, 24576, "4g.24gb"}, {2, 11968, 1, 24576, "2g.12gb"}};

	for (size_t i = 0; i < DV_ARRAY_LEN(rows); i++) {
		struct dv_mig_profile made = {.compute_slices = rows[i].slices,
					      .memory_mib = rows[i].mib};

		dv_nvml_derive_name(rows[i].total_mib << 20, rows[i].number, &made);
		assert_string_equal(made.name, rows[i].name);
	}
}

static void test_instances(void **state)
{
	const struct dv_mig_part_wish two = {.slices = 2, .start = 0};
	struct dv_mig_part_wish one = {.slices = 1, .start = 2};
	const struct dv_mig_instance *instance;
	struct dv_capability right;
	struct dv_error err = {0};
	struct dv_root root;
	uint32_t id = 0, part = 0;
	char path[96];

	make("dgx-h100");
	turn(true);
	/* The driver alone would put it at 4. */
	assert_int_equal(dv_nvml_create(nvml, uuid(), profile("3g.40gb")->id, 0, &id, &err), 0);
	refused(dv_nvml_create(nvml, uuid(), profile("3g.40gb")->id, 1, &part, &err), -EINVAL,
		"M04", &err);
	dv_error_clear(&err);
	refused(dv_nvml_create(nvml, uuid(), profile("4g.40gb")->id, 0, &part, &err), -ENOSPC,
		"M04", &err);
	dv_error_clear(&err);
	one.instance = id;
	assert_int_equal(dv_nvml_create_part(nvml, uuid(),
					     &(struct dv_mig_part_wish){id, two.slices, two.start},
					     &part, &err),
			 0);
	assert_int_equal(dv_nvml_create_part(nvml, uuid(), &one, &part, &err), 0);
	refused(dv_nvml_create_part(nvml, uuid(), &(struct dv_mig_part_wish){id, 7, 0}, &part,
				    &err),
		-EINVAL, "M01", &err);
	dv_error_clear(&err);
	observe();
	instance = &gpus.items[0].mig.instances[0];
	assert_int_equal(gpus.items[0].mig.instance_count, 1);
	assert_int_equal(instance->start, 0);
	assert_int_equal(instance->size, 4);
	assert_string_equal(instance->profile, "3g.40gb");
	assert_int_equal(gpus.items[0].mig.compute_count, 2);
	assert_int_equal(strncmp(gpus.items[0].mig.computes[0].uuid, "MIG-", 4), 0);
	assert_string_not_equal(gpus.items[0].mig.computes[0].uuid,
				gpus.items[0].mig.computes[1].uuid);
	assert_int_equal(gpus.items[0].mig.computes[1].instance, instance->id);
	assert_int_equal(instance->holder_count, 0);
	assert_int_equal(gpus.items[1].mig.instance_count, 0);

	(void)snprintf(path, sizeof(path), "%s/root", dir);
	assert_int_equal(dv_root_open(path, &root, NULL), 0);
	assert_int_equal(
		dv_capability_find(&root, gpus.items[0].mig.minor, instance->id, 1, &right, &err),
		0);
	assert_true(right.node_is_there);
	assert_int_equal(right.minor, 3 + 135 * gpus.items[0].mig.minor + 9 * instance->id + 2);
	assert_int_equal(dv_capability_find(&root, gpus.items[0].mig.minor, 14, -1, &right, NULL),
			 -ENOENT);
	assert_int_equal(dv_capability_find_mig(&root, "config", &right, NULL), 0);
	assert_string_equal(right.node, "/dev/nvidia-caps/nvidia-cap1");
	dv_root_fini(&root);

	refused(dv_nvml_destroy(nvml, uuid(), id, &err), -EBUSY, "M05", &err);
	dv_error_clear(&err);
	assert_int_equal(dv_nvml_destroy_part(nvml, uuid(), id, part, &err), 0);
	assert_int_equal(dv_nvml_destroy_part(nvml, uuid(), id, 0, &err), 0);
	assert_int_equal(dv_nvml_destroy_part(nvml, uuid(), id, 0, NULL), -ENOENT);
	assert_int_equal(dv_nvml_destroy(nvml, uuid(), id, &err), 0);
	assert_int_equal(dv_nvml_destroy(nvml, uuid(), id, NULL), -ENOENT);
}

static void test_pending(void **state)
{
	enum dv_mig_when when = DV_MIG_WHEN_NOW;
	struct dv_error err = {0};
	unsigned minor;

	make("dgx-a100"); /* nvsm and the persistence daemon are in the way */
	minor = gpus.items[0].mig.minor;
	assert_true(gpus.items[0].mig.resets);
	assert_int_equal(dv_nvml_set_mig(nvml, uuid(), true, &when, &err), 0);
	assert_int_equal(when, DV_MIG_WHEN_IDLE);
	observe();
	assert_int_equal(gpus.items[0].mig.mode, DV_MIG_TURNING_ON);
	/* The wish is taken back. */
	assert_int_equal(dv_nvml_set_mig(nvml, uuid(), false, &when, &err), 0);
	observe();
	assert_int_equal(gpus.items[0].mig.mode, DV_MIG_OFF);
	assert_int_equal(sim("end", "4001", NULL, NULL, NULL), 0);
	assert_int_equal(sim("end", "4002", NULL, NULL, NULL), 0);
	turn(true);
	assert_int_equal(gpus.items[0].mig.mode, DV_MIG_ON);
	assert_int_not_equal(gpus.items[0].mig.minor, minor);
	assert_int_equal(gpus.items[0].mig.profile_count, 7);
}

static void test_users(void **state)
{
	struct dv_nvml_user users[2];
	unsigned count = 0;

	make("lab-4090");
	assert_int_equal(dv_nvml_users(nvml, gpus.items[1].uuid, users, 2, &count, NULL), 0);
	assert_int_equal(count, 1);
	assert_int_equal(users[0].instance, -1);
	assert_int_equal(sim("hold", "1", "python3", "compute", NULL), 0);
	assert_int_equal(sim("hold", "1", "python3", "mps", NULL), 0);
	assert_int_equal(dv_nvml_users(nvml, gpus.items[1].uuid, users, 2, &count, NULL), 0);
	assert_int_equal(count, 3); /* told even where there is no room for all */
	/* Who only has it open does not compute. */
	assert_int_equal(sim("hold", "0", "nvidia-smi", "open", NULL), 0);
	assert_int_equal(dv_nvml_users(nvml, uuid(), users, 2, &count, NULL), 0);
	assert_int_equal(count, 1); /* the desktop */
}

static void test_not_there(void **state)
{
	struct dv_error err = {0};
	struct dv_nvml *other = NULL;
	struct dv_nvml_gpu gpu;

	refused(dv_nvml_open("/nowhere/libnvidia-ml.so.1", &other, &err), -ENODEV, "", &err);
	dv_error_clear(&err);
	refused(dv_nvml_open("libm.so.6", &other, &err), -ENODEV, "", &err);
	assert_null(other);
	make("lab-4090");
	dv_error_clear(&err);
	refused(dv_nvml_observe_one(nvml, "GPU-0", &gpu, &err), -ENOENT, "", &err);
}

/* --- something goes wrong at each call in turn --- */

static int do_observe(struct dv_error *err)
{
	struct dv_nvml_gpus seen = {0};
	int r = dv_nvml_observe(nvml, &seen, err);

	if (r < 0)
		assert_null(seen.items);
	dv_vec_fini(&seen);
	return r;
}

static uint32_t made, made_part;

static int do_create(struct dv_error *err)
{
	uint32_t id = 1234;
	int r = dv_nvml_create(nvml, uuid(), 9, 0, &id, err);

	if (r < 0)
		assert_int_equal(id, 1234);
	else
		made = id;
	return r;
}

static int do_create_part(struct dv_error *err)
{
	return dv_nvml_create_part(nvml, uuid(),
				   &(struct dv_mig_part_wish){made, 3, DV_MIG_ANYWHERE}, &made_part,
				   err);
}

static int do_users(struct dv_error *err)
{
	struct dv_nvml_user users[4];
	unsigned count;

	return dv_nvml_users(nvml, uuid(), users, 4, &count, err);
}

static int do_destroy_part(struct dv_error *err)
{
	return dv_nvml_destroy_part(nvml, uuid(), made, made_part, err);
}

static int do_destroy(struct dv_error *err)
{
	return dv_nvml_destroy(nvml, uuid(), made, err);
}

static int do_toggle(struct dv_error *err)
{
	enum dv_mig_when when;

	return dv_nvml_set_mig(nvml, uuid(), false, &when, err);
}

/* What is there of the GPU: what a failed change must leave as it was, or as it was to be. */
static unsigned count_all(void)
{
	observe();
	return (gpus.items[0].mig.mode == DV_MIG_ON ? 1000 : 0) +
	       100 * gpus.items[0].mig.instance_count + gpus.items[0].mig.compute_count;
}

/* One H100, so that looking is quick. */
static void make_one(void)
{
	char path[96];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/one.yaml", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	(void)fputs("name: one\ngpus: [{model: h100-80-sxm, mig: on}]\n", f);
	(void)fclose(f);
	make(path);
}

/* Does `act` with its nth call failing, for each n, until it gets through with none failing. */
static void each_call(int (*act)(struct dv_error *err), const char *result)
{
	unsigned before_it = count_all();

	for (unsigned n = 1; n < 400; n++) {
		struct dv_error err = {0};
		char nth[16];
		int r;

		(void)snprintf(nth, sizeof(nth), "%u", n);
		assert_int_equal(sim("fault", "*", nth, result, NULL), 0);
		r = act(&err);
		assert_int_equal(sim("calm", NULL, NULL, NULL, NULL), 0);
		if (r == 0)
			return; /* past the last call, or it can do without that one */
		assert_true(r < 0 && err.msg[0] && err.code == r);
		if (act == do_create && count_all() != before_it) {
			/* Made, and then not looked at: it is found by its place. */
			assert_int_equal(gpus.items[0].mig.instance_count, 1);
			assert_int_equal(dv_nvml_destroy(nvml, uuid(),
							 gpus.items[0].mig.instances[0].id, NULL),
					 0);
		} else if (act == do_create_part && count_all() != before_it) {
			assert_int_equal(dv_nvml_destroy_part(nvml, uuid(), made, 0, NULL), 0);
		}
		assert_int_equal(count_all(), before_it);
	}
	fail_msg("it never gets through");
}

static void test_each_call_fails(void **state)
{
	static const char *const results[] = {"15"};

	make_one();
	for (size_t i = 0; i < DV_ARRAY_LEN(results); i++) {
		each_call(do_create, results[i]);
		each_call(do_create_part, results[i]);
		each_call(do_users, results[i]);
		each_call(do_destroy_part, results[i]);
		each_call(do_destroy, results[i]);
	}
	each_call(do_toggle, "999");
	assert_int_equal(count_all(), 0);
}

/* The same for looking: every one of its calls, with what each could answer. */
static void test_each_question_fails(void **state)
{
	static const char *const results[] = {"2", "3", "4", "13", "15", "999"};
	char nth[16];

	make_one();
	for (unsigned i = 0; i < DV_ARRAY_LEN(results); i++)
		for (unsigned n = 1 + i % 4; n < 60; n += 4) {
			struct dv_error err = {0};
			int r;

			(void)snprintf(nth, sizeof(nth), "%u", n);
			assert_int_equal(sim("fault", "*", nth, results[i], NULL), 0);
			r = do_observe(&err);
			assert_true(r == 0 || (r < 0 && err.msg[0]));
			/* One look makes more calls than that, unless it failed. */
			assert_int_equal(sim("calm", NULL, NULL, NULL, NULL), 0);
		}
	assert_int_equal(do_observe(NULL), 0);
}

/* A user without rights: what there is comes from the devices. */
static void test_hidden(void **state)
{
	struct dv_error err = {0};
	uint32_t id = 0, part = 0;
	struct dv_mig_part_wish wish = {.slices = 3, .start = DV_MIG_ANYWHERE};

	make("dgx-h100");
	turn(true);
	assert_int_equal(dv_nvml_create(nvml, uuid(), 9, 4, &id, &err), 0);
	wish.instance = id;
	assert_int_equal(dv_nvml_create_part(nvml, uuid(), &wish, &part, &err), 0);
	assert_int_equal(sim("fault", "nvmlDeviceGetGpuInstances", "1", "4", NULL), 0);
	observe();
	assert_true(gpus.items[0].hidden);
	assert_int_equal(gpus.items[0].mig.instance_count, 1);
	assert_int_equal(gpus.items[0].mig.instances[0].id, id);
	assert_int_equal(gpus.items[0].mig.instances[0].size, 0);
	assert_int_equal(strncmp(gpus.items[0].mig.computes[0].uuid, "MIG-", 4), 0);
	assert_int_equal(sim("fault", "nvmlDeviceCreateGpuInstanceWithPlacement", "1", "4", NULL),
			 0);
	refused(dv_nvml_create(nvml, uuid(), 9, 0, &id, &err), -EPERM, "M08", &err);
	assert_true(err.fix[0]);
}

/* What happens from the beginning on is heard once and in order, with its instance if it has one.
 */
static void test_news(void **state)
{
	dv_cleanup(dv_nvml_watch_endp) struct dv_nvml_watch *watch = NULL;
	struct dv_nvml_news news = {0};
	enum dv_mig_when when;
	struct dv_error err = {0};
	uint32_t gi;

	make("dgx-h100");
	observe();
	assert_int_equal(sim("xid", "0", "13", NULL, NULL), 0); /* before anybody listened */
	if (dv_nvml_watch_begin(nvml, &watch, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(dv_nvml_watch_next(watch, 0, &news, NULL), 0);
	assert_int_equal(dv_nvml_set_mig(nvml, gpus.items[2].uuid, true, &when, NULL), 0);
	assert_int_equal(sim("xid", "3", "79", NULL, NULL), 0);
	assert_int_equal(sim("xid", "2", "31", "5", "1"), 0);
	assert_int_equal(dv_nvml_watch_next(watch, 0, &news, NULL), 1);
	assert_true(news.mig_changed && !news.xid);
	assert_string_equal(news.uuid, gpus.items[2].uuid);
	assert_int_equal(dv_nvml_watch_next(watch, 0, &news, NULL), 1);
	assert_true(!news.mig_changed && news.xid == 79 && news.instance == -1);
	assert_string_equal(news.uuid, gpus.items[3].uuid);
	assert_int_equal(dv_nvml_watch_next(watch, 0, &news, NULL), 1);
	assert_true(news.xid == 31 && news.instance == 5 && news.part == 1);
	assert_int_equal(dv_nvml_watch_next(watch, 0, &news, NULL), 0);
	/* A partition that is made and ended. */
	assert_int_equal(dv_nvml_create(nvml, gpus.items[2].uuid, 9, 0, &gi, NULL), 0);
	assert_int_equal(dv_nvml_watch_next(watch, 0, &news, NULL), 1);
	assert_true(news.mig_changed);
	/* A driver that fails says so. */
	assert_int_equal(sim("fault", "nvmlEventSetWait_v2", "1", "999", NULL), 0);
	assert_int_equal(dv_nvml_watch_next(watch, 0, &news, NULL), -EIO);
}

/* A driver that cannot tell anything is none that could be listened to. */
static void test_no_news(void **state)
{
	struct dv_nvml_watch *watch = NULL;
	struct dv_error err = {0};

	make("dgx-a100-r460");
	assert_int_equal(dv_nvml_watch_begin(nvml, &watch, &err), -EOPNOTSUPP);
	assert_string_equal(err.rule, "M07");
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, before, after)
	const struct CMUnitTest tests[] = {
		EACH(test_what_there_is),   EACH(test_no_mig),
		EACH(test_holders),	    EACH(test_twelve_cells),
		EACH(test_unheard_of),	    EACH(test_counts),
		EACH(test_old_driver),	    EACH(test_derived_names),
		EACH(test_instances),	    EACH(test_pending),
		EACH(test_users),	    EACH(test_not_there),
		EACH(test_each_call_fails), EACH(test_each_question_fails),
		EACH(test_hidden),	    EACH(test_news),
		EACH(test_no_news),
	};

	return cmocka_run_group_tests_name("device/nvml", tests, NULL, NULL);
}
