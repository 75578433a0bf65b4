/* SPDX-License-Identifier: Apache-2.0 */
#include "fake-divvyd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/api.h"
#include "cli/cli.h"
#include "model/units.h"

struct divvy_client {
	int unused;
};

static struct divvy_client the_client;
static const struct fake_answer *script;
static size_t script_len;
static char *(*server)(const char *verb, const char *path);
static char asked[8192];
static unsigned losing;
static const char *fake_root = "/";

void fake_set_root(const char *root)
{
	fake_root = root;
}

void fake_divvyd(const struct fake_answer *answers, size_t count)
{
	script = answers;
	script_len = count;
	asked[0] = '\0';
}

void fake_divvyd_serve(char *(*serve)(const char *verb, const char *path))
{
	server = serve;
}

const char *fake_divvyd_asked(void)
{
	return asked;
}

void fake_divvyd_loses(unsigned calls)
{
	losing = calls;
}

int divvy_connect(const char *socket_path, unsigned flags, struct divvy_client **ret_client,
		  struct divvy_error *error)
{
	if (script) {
		*ret_client = &the_client;
		return 0;
	}
	*error = (struct divvy_error){.code = -ECONNREFUSED, .exit_status = 5};
	(void)snprintf(error->name, sizeof(error->name), "unreachable");
	(void)snprintf(error->message, sizeof(error->message), "nobody answers at %s",
		       socket_path ? socket_path : "/run/divvy/divvyd.sock");
	(void)snprintf(error->fix, sizeof(error->fix), "systemctl start divvyd");
	return -ECONNREFUSED;
}

int divvy_connect_private(const char *run_dir, const char *const *options,
			  struct divvy_client **ret_client, struct divvy_error *error)
{
	return divvy_connect(run_dir, 0, ret_client, error);
}

void divvy_close(struct divvy_client *client)
{
}

void divvy_free(void *text)
{
	free(text);
}

int divvy_call(struct divvy_client *client, const char *verb, const char *path, const char *body,
	       char **ret_answer, struct divvy_error *error)
{
	size_t len = strlen(asked);

	(void)snprintf(asked + len, sizeof(asked) - len, "%s %s%s%s\n", verb, path, body ? " " : "",
		       body ? body : "");
	if (losing) {
		losing--;
		*error = (struct divvy_error){.code = -ECONNREFUSED, .exit_status = 5};
		(void)snprintf(error->name, sizeof(error->name), "unreachable");
		(void)snprintf(error->message, sizeof(error->message), "the connection is lost");
		return -ECONNREFUSED;
	}
	if (server) {
		char *document = server(verb, path);

		if (document) {
			*ret_answer = document;
			return 0;
		}
	}
	for (size_t i = 0; i < script_len; i++) {
		if (strcmp(script[i].verb, verb) != 0 || strcmp(script[i].path, path) != 0)
			continue;
		if (!script[i].document) {
			*error = script[i].refusal;
			return error->code;
		}
		*ret_answer = strdup(script[i].document);
		assert_non_null(*ret_answer);
		return 0;
	}
	fail_msg("nobody told the fake divvyd about %s %s", verb, path);
	return -EIO;
}

void fake_run(struct fake_run *ret, const char *const *words)
{
	char *argv[24] = {(char *)"divvy"};
	FILE *out, *err;
	int argc = 1;

	memset(ret, 0, sizeof(*ret));
	out = open_memstream(&ret->out, &ret->out_len);
	err = open_memstream(&ret->err, &ret->err_len);
	assert_non_null(out);
	assert_non_null(err);
	for (; *words; words++)
		argv[argc++] = (char *)*words;
	ret->status = dv_cli_main(argc, argv,
				  &(struct dv_cli_env){out, err, fake_root, FAKE_PATIENCE_MS});
	assert_int_equal(fclose(out), 0);
	assert_int_equal(fclose(err), 0);
}

void fake_run_fini(struct fake_run *run)
{
	free(run->out);
	free(run->err);
}

#define UUID "CPU-0123456789abcdef"

static struct dv_gpu cpu_device(enum dv_division division)
{
	struct dv_gpu gpu = {
		.id = "0",
		.uuid = UUID,
		.kind = DV_GPU_CPU,
		.model = "cpu-opencl",
		.product = "AMD EPYC® 9R45 with a name that some would call long",
		.memory_bytes = 12 * DV_GIB,
		.compute_units = 4,
		.numa_node = 0,
		.division = division,
		.driver = "PoCL 3.1",
		.method_count = 4,
		.methods = {{.method = DV_METHOD_PASSTHROUGH, .ok = true},
			    {.method = DV_METHOD_SLICE, .ok = true},
			    {.method = DV_METHOD_PARTITION,
			     .ok = true,
			     .why = "by CPU affinity: cgroups need root"},
			    {.method = DV_METHOD_MIG,
			     .rule_count = 1,
			     .rules = {"G09"},
			     .why = "the CPU device has no hardware partitions of this kind"}},
	};

	return gpu;
}

static struct dv_lease slice(const char *name, uint64_t memory, uint32_t mpct)
{
	struct dv_lease lease = {
		.id = 7,
		.uid = 0,
		.method = DV_METHOD_SLICE,
		.policy = DV_POLICY_FIXED_SHARE,
		.state = DV_LEASE_ACTIVE,
		.gpu_uuid = UUID,
		.node = UUID "/s7",
		.memory_bytes = memory,
		.compute_mpct = mpct,
		.created_s = 1700000000,
		.memory_used_bytes = memory / 3,
		.window_ms = 10000,
		.got_mpct = mpct - mpct / 50,
		.pid_count = 1,
		.pids = {4711},
	};

	(void)snprintf(lease.name, sizeof(lease.name), "%s", name);
	return lease;
}

static void fill_leases(struct dv_lease leases[4])
{
	leases[0] = slice("notebook", 4 * DV_GIB, 30000);
	leases[1] = slice("trainer-of-a-rather-long-name-with-many-letters", 2 * DV_GIB, 25500);
	leases[1].policy = DV_POLICY_LATENCY;
	leases[2] = slice("quiet", 512 * DV_MIB, 0);
	leases[2].policy = DV_POLICY_BEST_EFFORT;
	leases[2].state = DV_LEASE_READY;
	leases[2].memory_used_bytes = leases[2].got_mpct = leases[2].pid_count = 0;
	leases[3] = slice("sly", 1536 * DV_MIB, 10000);
	leases[3].state = DV_LEASE_UNENFORCED;
	leases[3].uid = 4294967294u;
}

static const char *keep(char *text)
{
	static char *kept[16];
	static size_t count;

	/* Tests are short; what they were told stays until the end. */
	free(kept[count % DV_ARRAY_LEN(kept)]);
	kept[count++ % DV_ARRAY_LEN(kept)] = text;
	return text;
}

static const char *encode_status(bool free_device)
{
	struct dv_gpu gpu = cpu_device(free_device ? DV_DIVISION_NONE : DV_DIVISION_SLICES);
	char warning[] = "lease 'sly': process 4712 uses the device round the gate, so its memory "
			 "and share are not held";
	char *warnings[] = {warning};
	struct dv_lease leases[4];
	struct dv_api_status status = {
		.version = "0.1.0",
		.socket = "/run/divvy/divvyd.sock",
		.system = true,
		.pid = 812,
		.gpus = {.items = &gpu, .len = 1},
		.leases = {.items = leases, .len = free_device ? 0 : 4},
	};
	char *text = NULL;

	fill_leases(leases);
	status.warnings.items = warnings;
	status.warnings.len = free_device ? 0 : 1;
	assert_int_equal(dv_api_status_encode(&status, &text, NULL), 0);
	return keep(text);
}

const char *fake_status(void)
{
	return encode_status(false);
}

const char *fake_status_free(void)
{
	return encode_status(true);
}

const char *fake_status_mig(void)
{
	static const struct dv_mig_profile profiles[] = {
		{.name = "1g.10gb", .id = 19, .starts = 0x7f, .size = 1, .compute_slices = 1},
		{.name = "3g.40gb", .id = 9, .starts = 0x11, .size = 4, .compute_slices = 3},
	};
	struct dv_gpu gpus[2] = {0};
	struct dv_api_status status = {.version = "0.1.0",
				       .gpus = {.items = gpus, .len = DV_ARRAY_LEN(gpus)}};
	char *text = NULL;

	for (unsigned i = 0; i < DV_ARRAY_LEN(gpus); i++) {
		gpus[i] = (struct dv_gpu){
			.kind = DV_GPU_NVIDIA,
			.model = "h100-80-sxm",
			.product = "NVIDIA H100 80GB HBM3",
			.memory_bytes = 81559 * DV_MIB,
			.numa_node = -1,
			.pci = {0x10de, 0x2330, 0x10de, 0x16c1},
			.mig = {.mode = i ? DV_MIG_OFF : DV_MIG_ON,
				.cells = 8,
				.compute_slices = 7,
				.profile_count = DV_ARRAY_LEN(profiles)},
		};
		(void)snprintf(gpus[i].id, sizeof(gpus[i].id), "%u", i);
		(void)snprintf(gpus[i].uuid, sizeof(gpus[i].uuid), "GPU-%u", i);
		(void)snprintf(gpus[i].address, sizeof(gpus[i].address), "0000:%u5:00.0", i);
		memcpy(gpus[i].mig.profiles, profiles, sizeof(profiles));
	}
	gpus[0].mig.instance_count = gpus[0].mig.compute_count = 1;
	gpus[0].mig.instances[0] = (struct dv_mig_instance){
		.profile = "3g.40gb", .id = 2, .profile_id = 9, .start = 4, .size = 4};
	gpus[0].mig.computes[0] =
		(struct dv_mig_compute){.uuid = "MIG-7", .instance = 2, .size = 3};
	assert_int_equal(dv_api_status_encode(&status, &text, NULL), 0);
	return keep(text);
}

const char *fake_leases(void)
{
	struct dv_lease leases[4];
	char *text = NULL;

	fill_leases(leases);
	assert_int_equal(dv_api_leases_encode(leases, 4, &text, NULL), 0);
	return keep(text);
}

const char *fake_gpus(void)
{
	struct dv_gpu gpus[2] = {cpu_device(DV_DIVISION_SLICES), {.id = "1"}};
	char *text = NULL;

	gpus[1] = (struct dv_gpu){
		.id = "1",
		.uuid = "GPU-00112233-4455-6677-8899-aabbccddeeff",
		.kind = DV_GPU_NVIDIA,
		.model = "h100-80-sxm",
		.product = "NVIDIA H100 80GB HBM3",
		.address = "0000:65:00.0",
		.memory_bytes = 81559 * DV_MIB,
		.compute_units = 132,
		.numa_node = -1,
		.driver = "580.95.05",
		.owned_by = "user alice, pid 4242",
	};
	assert_int_equal(dv_api_gpus_encode(gpus, 2, &text, NULL), 0);
	return keep(text);
}

const char *fake_log(void)
{
	struct dv_api_log_entry entries[2] = {
		{.id = 41,
		 .time_s = 1700000000,
		 .verb = "take",
		 .subject = "notebook",
		 .text = "done"},
		{.id = 42,
		 .time_s = 1700000061,
		 .uid = 4294967294u,
		 .verb = "release",
		 .subject = "notebook",
		 .text = "refused: it is root's"},
	};
	struct dv_api_log log = {.items = entries, .len = 2};
	char *text = NULL;

	assert_int_equal(dv_api_log_encode(&log, &text, NULL), 0);
	return keep(text);
}

const char *divvy_socket_path(const struct divvy_client *client)
{
	return "/nowhere/divvyd.sock";
}

const char *fake_who(void)
{
	struct dv_api_who who = {
		.gpu = UUID,
		.more = 3,
		.unreadable = 1,
		.count = 2,
		.holders = {{.pid = 4711,
			     .command = "python3",
			     .what = "uses the OpenCL device",
			     .lease = "notebook"},
			    {.pid = 815,
			     .uid = 4294967294u,
			     .command = "\033[2Jsly",
			     .what = "uses the OpenCL device"}},
	};
	char *text = NULL;

	assert_int_equal(dv_api_who_encode(&who, &text, NULL), 0);
	return keep(text);
}

struct dv_api_grant fake_grant(const char *name)
{
	struct dv_api_grant grant = {.lease = slice(name, 2 * DV_GIB, 25000)};

	grant.lease.ephemeral = true;
	grant.stop_unenforced = true;
	grant.lease.pid_count = 0;
	return grant;
}

char *fake_grant_text(const struct dv_api_grant *grant)
{
	char *text = NULL;

	assert_int_equal(dv_api_grant_encode(grant, &text, NULL), 0);
	return text;
}

char *fake_lease_text(const struct dv_lease *lease)
{
	char *text = NULL;

	assert_int_equal(dv_api_leases_encode(lease, 1, &text, NULL), 0);
	return text;
}
