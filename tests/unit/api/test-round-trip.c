/* SPDX-License-Identifier: Apache-2.0 */
/* What is encoded and decoded is what it was, for any legal record. */
#include "api/api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "random.h"

enum { ROUNDS = 300 };

static void check_lease(const struct dv_lease *a, const struct dv_lease *b)
{
	assert_int_equal(a->id, b->id);
	assert_string_equal(a->name, b->name);
	assert_string_equal(a->fleet, b->fleet);
	assert_int_equal(a->uid, b->uid);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->method, b->method);
	assert_int_equal(a->policy, b->policy);
	assert_int_equal(a->state, b->state);
	assert_string_equal(a->gpu_uuid, b->gpu_uuid);
	assert_string_equal(a->node, b->node);
	assert_int_equal(a->memory_bytes, b->memory_bytes);
	assert_int_equal(a->compute_mpct, b->compute_mpct);
	assert_int_equal(a->ephemeral, b->ephemeral);
	assert_int_equal(a->launcher, b->launcher);
	assert_int_equal(a->created_s, b->created_s);
	assert_int_equal(a->memory_used_bytes, b->memory_used_bytes);
	assert_int_equal(a->memory_seen_bytes, b->memory_seen_bytes);
	assert_int_equal(a->window_ms, b->window_ms);
	assert_int_equal(a->got_mpct, b->got_mpct);
	assert_int_equal(a->wait_p99_ns, b->wait_p99_ns);
	assert_int_equal(a->pid_count, b->pid_count);
	assert_memory_equal(a->pids, b->pids, sizeof(a->pids));
	assert_int_equal(a->user_count, b->user_count);
	for (unsigned i = 0; i < a->user_count && i < DV_LEASE_USERS_MOST; i++) {
		assert_int_equal(a->users[i].pid, b->users[i].pid);
		assert_string_equal(a->users[i].command, b->users[i].command);
		assert_int_equal(a->users[i].member, b->users[i].member);
	}
}

static void check_gpu(const struct dv_gpu *a, const struct dv_gpu *b)
{
	assert_string_equal(a->id, b->id);
	assert_string_equal(a->uuid, b->uuid);
	assert_int_equal(a->kind, b->kind);
	assert_string_equal(a->model, b->model);
	assert_string_equal(a->product, b->product);
	assert_string_equal(a->address, b->address);
	assert_memory_equal(&a->pci, &b->pci, sizeof(a->pci));
	assert_int_equal(a->memory_bytes, b->memory_bytes);
	assert_int_equal(a->compute_units, b->compute_units);
	assert_int_equal(a->numa_node, b->numa_node);
	assert_int_equal(a->division, b->division);
	assert_string_equal(a->driver, b->driver);
	assert_string_equal(a->owned_by, b->owned_by);
	assert_string_equal(a->quarantine, b->quarantine);
	assert_int_equal(a->unleased_count, b->unleased_count);
	for (unsigned i = 0; i < DV_MIN(a->unleased_count, (unsigned)DV_GPU_UNLEASED_MOST); i++) {
		assert_int_equal(a->unleased[i].pid, b->unleased[i].pid);
		assert_int_equal(a->unleased[i].uid, b->unleased[i].uid);
		assert_string_equal(a->unleased[i].command, b->unleased[i].command);
		assert_int_equal(a->unleased[i].memory_bytes, b->unleased[i].memory_bytes);
	}
	assert_int_equal(a->method_count, b->method_count);
	for (unsigned i = 0; i < a->method_count; i++) {
		assert_int_equal(a->methods[i].method, b->methods[i].method);
		assert_int_equal(a->methods[i].ok, b->methods[i].ok);
		assert_int_equal(a->methods[i].rule_count, b->methods[i].rule_count);
		for (unsigned k = 0; k < a->methods[i].rule_count; k++)
			assert_string_equal(a->methods[i].rules[k], b->methods[i].rules[k]);
		assert_string_equal(a->methods[i].why, b->methods[i].why);
	}
}

static void check_assignment(const struct dv_assignment *a, const struct dv_assignment *b)
{
	assert_string_equal(a->tenant, b->tenant);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->method, b->method);
	assert_int_equal(a->on, b->on);
	assert_string_equal(a->gpu, b->gpu);
	assert_string_equal(a->gpu_uuid, b->gpu_uuid);
	assert_string_equal(a->profile, b->profile);
	assert_int_equal(a->start, b->start);
	assert_int_equal(a->size, b->size);
	assert_string_equal(a->node, b->node);
	assert_int_equal(a->memory_bytes, b->memory_bytes);
	assert_int_equal(a->compute_mpct, b->compute_mpct);
	assert_int_equal(a->compute_slices, b->compute_slices);
	assert_int_equal(a->has_policy, b->has_policy);
	assert_int_equal(a->policy, b->policy);
	assert_int_equal(a->kept, b->kept);
	assert_string_equal(a->from, b->from);
	assert_int_equal(a->isolation, b->isolation);
	assert_memory_equal(&a->isolates, &b->isolates, sizeof(a->isolates));
	assert_int_equal(a->derived_count, b->derived_count);
	assert_memory_equal(a->derived, b->derived, sizeof(a->derived[0]) * a->derived_count);
	assert_string_equal(a->reason, b->reason);
}

static void check_step(const struct dv_step *a, const struct dv_step *b)
{
	assert_int_equal(a->id, b->id);
	assert_string_equal(a->op, b->op);
	assert_string_equal(a->gpu, b->gpu);
	assert_string_equal(a->gpu_uuid, b->gpu_uuid);
	assert_string_equal(a->node, b->node);
	assert_string_equal(a->profile, b->profile);
	assert_int_equal(a->start, b->start);
	assert_int_equal(a->size, b->size);
	assert_string_equal(a->tenant, b->tenant);
	assert_int_equal(a->disturb_count, b->disturb_count);
	for (unsigned i = 0; i < DV_MIN(a->disturb_count, DV_ARRAY_LEN(a->disturbs)); i++)
		assert_string_equal(a->disturbs[i], b->disturbs[i]);
	assert_int_equal(a->need_count, b->need_count);
	assert_memory_equal(a->needs, b->needs, sizeof(a->needs[0]) * a->need_count);
	assert_string_equal(a->undo, b->undo);
	check_lease(&a->lease, &b->lease);
}

static void test_leases(void **state)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t count = random_below(4);
		struct dv_leases back = {0};
		struct dv_lease leases[4];
		dv_autofree char *text = NULL;

		for (size_t i = 0; i < count; i++) {
			random_lease(&leases[i]);
			(void)dv_copy(leases[i].nonce, sizeof(leases[i].nonce), "5ec2e7c0ffee");
		}
		assert_int_equal(dv_api_leases_encode(leases, count, &text, NULL), 0);
		assert_null(strstr(text, "5ec2e7c0ffee"));
		assert_int_equal(dv_api_leases_decode(text, &back, NULL), 0);
		assert_int_equal(back.len, count);
		for (size_t i = 0; i < count; i++)
			check_lease(&leases[i], &back.items[i]);
		dv_vec_fini(&back);
	}
}

static void test_gpus(void **state)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t count = random_below(4);
		struct dv_gpus back = {0};
		struct dv_gpu gpus[4];
		dv_autofree char *text = NULL;

		for (size_t i = 0; i < count; i++)
			random_gpu(&gpus[i]);
		assert_int_equal(dv_api_gpus_encode(gpus, count, &text, NULL), 0);
		assert_int_equal(dv_api_gpus_decode(text, &back, NULL), 0);
		assert_int_equal(back.len, count);
		for (size_t i = 0; i < count; i++)
			check_gpu(&gpus[i], &back.items[i]);
		dv_vec_fini(&back);
	}
}

static void random_request(struct dv_lease_request *request)
{
	memset(request, 0, sizeof(*request));
	if (random_below(2))
		(void)snprintf(request->name, sizeof(request->name), "n%u",
			       (unsigned)random_below(1000));
	random_text(request->gpu, sizeof(request->gpu), 0);
	request->kind = (enum dv_kind)random_below(DV_KIND_COUNT);
	request->method = (enum dv_method)random_below(DV_METHOD_COUNT);
	request->policy = (enum dv_policy)random_below(DV_POLICY_COUNT);
	request->memory_bytes = random_bytes_count();
	request->compute_mpct = (uint32_t)random_below(DV_MPCT_WHOLE + 1);
	request->compute_units = (unsigned)random_below(1000);
	request->ephemeral = random_below(2);
}

static void test_request(void **state)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct dv_lease_request request, back = {0};
		dv_autofree char *text = NULL;

		random_request(&request);
		assert_int_equal(dv_api_request_encode(&request, &text, NULL), 0);
		assert_int_equal(dv_api_request_decode(text, strlen(text), &back, NULL), 0);
		assert_string_equal(request.name, back.name);
		assert_string_equal(request.gpu, back.gpu);
		assert_int_equal(request.kind, back.kind);
		assert_int_equal(request.method, back.method);
		assert_int_equal(request.policy, back.policy);
		assert_int_equal(request.memory_bytes, back.memory_bytes);
		assert_int_equal(request.compute_mpct, back.compute_mpct);
		assert_int_equal(request.compute_units, back.compute_units);
		assert_int_equal(request.ephemeral, back.ephemeral);
	}
}

static void test_grant(void **state)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct dv_api_grant grant = {0}, back = {0};
		dv_autofree char *text = NULL;

		random_lease(&grant.lease);
		grant.env_count = (unsigned)random_below(DV_API_ENV_MOST + 1);
		for (unsigned i = 0; i < grant.env_count; i++) {
			grant.env[i][0] = 'K';
			grant.env[i][1] = '=';
			random_text(grant.env[i] + 2, sizeof(grant.env[i]) - 2, 0);
		}
		random_text(grant.nvml, sizeof(grant.nvml), 0);
		grant.device_count = (unsigned)random_below(DV_API_DEVICES_MOST + 1);
		for (unsigned i = 0; i < grant.device_count; i++)
			random_text(grant.devices[i], sizeof(grant.devices[i]), 1);
		random_text(grant.note, sizeof(grant.note), 0);
		random_text(grant.cgroup, sizeof(grant.cgroup), 0);
		random_text(grant.cpus, sizeof(grant.cpus), 0);
		grant.gated = random_below(2);
		grant.stop_unenforced = random_below(2);
		assert_int_equal(dv_api_grant_encode(&grant, &text, NULL), 0);
		assert_int_equal(dv_api_grant_decode(text, &back, NULL), 0);
		check_lease(&grant.lease, &back.lease);
		assert_int_equal(grant.env_count, back.env_count);
		for (unsigned i = 0; i < grant.env_count; i++)
			assert_string_equal(grant.env[i], back.env[i]);
		assert_int_equal(grant.lease.missing, back.lease.missing);
		assert_string_equal(grant.nvml, back.nvml);
		assert_int_equal(grant.device_count, back.device_count);
		for (unsigned i = 0; i < grant.device_count; i++)
			assert_string_equal(grant.devices[i], back.devices[i]);
		assert_string_equal(grant.note, back.note);
		assert_string_equal(grant.cgroup, back.cgroup);
		assert_string_equal(grant.cpus, back.cpus);
		assert_int_equal(grant.gated, back.gated);
		assert_int_equal(grant.stop_unenforced, back.stop_unenforced);
	}
}

static void test_error(void **state)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct dv_error error = {.code = round % 2 ? -EBUSY : -EBADMSG}, back = {0};
		dv_autofree char *text = NULL;

		random_text(error.msg, sizeof(error.msg), 1);
		random_text(error.fix, sizeof(error.fix), 0);
		random_text(error.rule, sizeof(error.rule), 0);
		random_text(error.file, sizeof(error.file), 0);
		error.line = (int)random_below(100);
		error.column = (int)random_below(100);
		assert_int_equal(dv_api_error_encode(&error, &text), 0);
		assert_int_equal(dv_api_error_decode(text, &back, NULL), 0);
		assert_int_equal(error.code, back.code);
		assert_string_equal(error.msg, back.msg);
		assert_string_equal(error.fix, back.fix);
		assert_string_equal(error.rule, back.rule);
		assert_string_equal(error.file, back.file);
		assert_int_equal(error.line, back.line);
		assert_int_equal(error.column, back.column);
	}
}

static void test_status(void **state)
{
	struct dv_api_status status = {.version = "0.1.0", .system = true, .pid = 77}, back = {0};
	dv_autofree char *text = NULL;
	struct dv_lease lease;
	struct dv_gpu gpu;
	char *warning = strdup("2 processes go round the gate");

	(void)dv_copy(status.socket, sizeof(status.socket), "/run/divvy/divvyd.sock");
	random_lease(&lease);
	random_gpu(&gpu);
	assert_non_null(warning);
	assert_int_equal(dv_vec_push(&status.gpus, gpu), 0);
	assert_int_equal(dv_vec_push(&status.leases, lease), 0);
	assert_int_equal(dv_vec_push(&status.warnings, warning), 0);
	assert_int_equal(dv_api_status_encode(&status, &text, NULL), 0);
	assert_int_equal(dv_api_status_decode(text, &back, NULL), 0);
	assert_string_equal(back.version, "0.1.0");
	assert_string_equal(back.socket, "/run/divvy/divvyd.sock");
	assert_true(back.system);
	assert_int_equal(back.pid, 77);
	assert_int_equal(back.gpus.len, 1);
	check_gpu(&gpu, &back.gpus.items[0]);
	assert_int_equal(back.leases.len, 1);
	check_lease(&lease, &back.leases.items[0]);
	assert_int_equal(back.warnings.len, 1);
	assert_string_equal(back.warnings.items[0], warning);
	dv_api_status_fini(&back);
	dv_api_status_fini(&status);
}

static void test_log(void **state)
{
	struct dv_api_log log = {0}, back = {0};
	dv_autofree char *text = NULL;

	for (unsigned i = 0; i < 50; i++) {
		struct dv_api_log_entry entry = {.id = i + 1,
						 .time_s = (int64_t)random_below(1u << 31),
						 .uid = (uid_t)random_below(UINT32_MAX),
						 .pid = (pid_t)random_below(1 << 22)};

		random_text(entry.verb, sizeof(entry.verb), 1);
		random_text(entry.subject, sizeof(entry.subject), 0);
		random_text(entry.text, sizeof(entry.text), 0);
		assert_int_equal(dv_vec_push(&log, entry), 0);
	}
	assert_int_equal(dv_api_log_encode(&log, &text, NULL), 0);
	assert_int_equal(dv_api_log_decode(text, &back, NULL), 0);
	assert_int_equal(back.len, log.len);
	for (size_t i = 0; i < log.len; i++) {
		assert_int_equal(log.items[i].id, back.items[i].id);
		assert_int_equal(log.items[i].time_s, back.items[i].time_s);
		assert_int_equal(log.items[i].uid, back.items[i].uid);
		assert_int_equal(log.items[i].pid, back.items[i].pid);
		assert_string_equal(log.items[i].verb, back.items[i].verb);
		assert_string_equal(log.items[i].subject, back.items[i].subject);
		assert_string_equal(log.items[i].text, back.items[i].text);
	}
	dv_vec_fini(&back);
	dv_vec_fini(&log);
}

static void test_who(void **state)
{
	dv_autofree struct dv_api_who *who = calloc(1, sizeof(*who));
	dv_autofree struct dv_api_who *back = calloc(1, sizeof(*back));
	dv_autofree char *text = NULL;

	assert_non_null(who);
	assert_non_null(back);
	random_text(who->gpu, sizeof(who->gpu), 1);
	who->more = (unsigned)random_below(1000);
	who->unreadable = (unsigned)random_below(1000);
	who->count = DV_API_HOLDERS_MOST;
	for (unsigned i = 0; i < who->count; i++) {
		struct dv_api_holder *holder = &who->holders[i];

		holder->pid = 1 + (pid_t)random_below(4000000);
		holder->uid = (uid_t)random_below(UINT32_MAX);
		random_text(holder->command, sizeof(holder->command), 0);
		random_text(holder->what, sizeof(holder->what), 0);
		random_text(holder->lease, sizeof(holder->lease), 0);
	}
	assert_int_equal(dv_api_who_encode(who, &text, NULL), 0);
	assert_int_equal(dv_api_who_decode(text, back, NULL), 0);
	assert_memory_equal(who, back, sizeof(*who));
}

static void test_process(void **state)
{
	struct dv_api_process process = {.pid = 4711, .text = "maps libpocl.so.2"}, back = {0};
	dv_autofree char *text = NULL, *done = NULL;

	assert_int_equal(dv_api_process_encode(&process, &text, NULL), 0);
	assert_int_equal(dv_api_process_decode(text, strlen(text), &back, NULL), 0);
	assert_int_equal(back.pid, 4711);
	assert_string_equal(back.text, "maps libpocl.so.2");
	assert_int_equal(dv_api_process_decode("{\"schema\":\"divvy/process/1\"}", 29, &back, NULL),
			 -EBADMSG);
	assert_int_equal(dv_api_done_encode("release", "a", &done, NULL), 0);
	assert_string_equal(done,
			    "{\"schema\":\"divvy/done/1\",\"done\":\"release\",\"subject\":\"a\"}");
}

static void test_wish(void **state)
{
	char text[] = "version: 1\nname: lab\n# \xc3\xa4\n";
	struct dv_api_wish wish = {.file = "lab.yaml", .text = text, .consent = true}, back = {0};
	dv_autofree char *encoded = NULL;

	(void)dv_copy(wish.state, sizeof(wish.state), "0123456789abcdef");
	assert_int_equal(dv_api_wish_encode(&wish, &encoded, NULL), 0);
	assert_int_equal(dv_api_wish_decode(encoded, strlen(encoded), &back, NULL), 0);
	assert_string_equal(back.file, "lab.yaml");
	assert_string_equal(back.text, text);
	assert_string_equal(back.state, wish.state);
	assert_true(back.consent);
	dv_api_wish_fini(&back);
}

static void random_plan(struct dv_plan *plan)
{
	size_t assignments = random_below(5), steps = random_below(5);
	struct dv_unplaced unplaced = {.rule_count = 2};

	(void)dv_copy(plan->fleet, sizeof(plan->fleet), random_below(2) ? "lab" : "");
	(void)dv_copy(plan->state, sizeof(plan->state), "0123456789abcdef");
	plan->bound_gpus = (unsigned)random_below(8);
	plan->bound_proven = random_below(2);
	plan->bound = (enum dv_bound)random_below(DV_BOUND_COUNT);
	plan->kept = (unsigned)random_below(100);
	plan->gpus_used = (unsigned)random_below(100);
	plan->waste_memory_bytes = random_bytes_count();
	plan->waste_mpct = (uint32_t)random_below(800000);
	plan->waste_stranded_slices = (unsigned)random_below(8);
	random_text(plan->cost_note, sizeof(plan->cost_note), 0);
	if (random_below(2)) {
		(void)dv_copy(plan->file, sizeof(plan->file), "lab.yaml");
		plan->source = strdup("version: 1\nname: l\xc3\xa4"
				      "b\n\ttab: \"x\"\r\n");
	}
	for (size_t i = 0; i < assignments; i++) {
		struct dv_assignment a;

		random_assignment(&a);
		assert_int_equal(dv_vec_push(&plan->assignments, a), 0);
	}
	for (size_t i = 0; i < steps; i++) {
		struct dv_step step;

		random_step(&step, (unsigned)i + 1);
		assert_int_equal(dv_vec_push(&plan->steps, step), 0);
	}
	plan->defragments = random_below(2);
	for (size_t i = plan->defragments ? random_below(3) : 0; i > 0; i--) {
		struct dv_freed freed = {.before = (uint32_t)random_below(9), .after = 3};

		random_text(freed.profile, sizeof(freed.profile), 1);
		assert_int_equal(dv_vec_push(&plan->freed, freed), 0);
	}
	random_text(unplaced.tenant, sizeof(unplaced.tenant), 1);
	random_text(unplaced.rules[0], sizeof(unplaced.rules[0]), 1);
	random_text(unplaced.rules[1], sizeof(unplaced.rules[1]), 1);
	random_text(unplaced.reason, sizeof(unplaced.reason), 0);
	random_text(unplaced.fix, sizeof(unplaced.fix), 0);
	assert_int_equal(dv_vec_push(&plan->unplaced, unplaced), 0);
}

static void check_plan(const struct dv_plan *a, const struct dv_plan *b)
{
	assert_string_equal(a->fleet, b->fleet);
	assert_string_equal(a->state, b->state);
	assert_int_equal(a->bound_gpus, b->bound_gpus);
	assert_int_equal(a->bound_proven, b->bound_proven);
	assert_int_equal(a->bound, b->bound);
	assert_int_equal(a->kept, b->kept);
	assert_int_equal(a->gpus_used, b->gpus_used);
	assert_int_equal(a->waste_memory_bytes, b->waste_memory_bytes);
	assert_int_equal(a->waste_mpct, b->waste_mpct);
	assert_int_equal(a->waste_stranded_slices, b->waste_stranded_slices);
	assert_string_equal(a->cost_note, b->cost_note);
	assert_string_equal(a->file, b->file);
	assert_string_equal(a->source ? a->source : "", b->source ? b->source : "");
	assert_int_equal(a->assignments.len, b->assignments.len);
	for (size_t i = 0; i < a->assignments.len; i++)
		check_assignment(&a->assignments.items[i], &b->assignments.items[i]);
	assert_int_equal(a->steps.len, b->steps.len);
	for (size_t i = 0; i < a->steps.len; i++)
		check_step(&a->steps.items[i], &b->steps.items[i]);
	assert_int_equal(a->defragments, b->defragments);
	assert_int_equal(a->freed.len, b->freed.len);
	for (size_t i = 0; i < a->freed.len; i++) {
		assert_string_equal(a->freed.items[i].profile, b->freed.items[i].profile);
		assert_int_equal(a->freed.items[i].before, b->freed.items[i].before);
		assert_int_equal(a->freed.items[i].after, b->freed.items[i].after);
	}
	assert_int_equal(b->unplaced.len, 1);
	assert_string_equal(a->unplaced.items[0].tenant, b->unplaced.items[0].tenant);
	assert_int_equal(b->unplaced.items[0].rule_count, 2);
	assert_string_equal(a->unplaced.items[0].rules[0], b->unplaced.items[0].rules[0]);
	assert_string_equal(a->unplaced.items[0].rules[1], b->unplaced.items[0].rules[1]);
	assert_string_equal(a->unplaced.items[0].reason, b->unplaced.items[0].reason);
	assert_string_equal(a->unplaced.items[0].fix, b->unplaced.items[0].fix);
}

static void test_plan(void **state)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct dv_plan plan = {0}, back = {0};
		dv_autofree char *text = NULL;

		random_plan(&plan);
		assert_int_equal(dv_api_plan_encode(&plan, &text, NULL), 0);
		assert_int_equal(dv_api_plan_decode(text, strlen(text), &back, NULL), 0);
		check_plan(&plan, &back);
		dv_plan_fini(&plan);
		dv_plan_fini(&back);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leases),	cmocka_unit_test(test_gpus),
		cmocka_unit_test(test_request), cmocka_unit_test(test_grant),
		cmocka_unit_test(test_error),	cmocka_unit_test(test_status),
		cmocka_unit_test(test_log),	cmocka_unit_test(test_plan),
		cmocka_unit_test(test_who),	cmocka_unit_test(test_wish),
		cmocka_unit_test(test_process),
	};

	random_start();
	return cmocka_run_group_tests_name("api/round-trip", tests, NULL, NULL);
}
