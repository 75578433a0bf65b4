/* SPDX-License-Identifier: Apache-2.0 */
/* divvy-sim: makes simulated machines, and does to them what their owner, their power switch and
 * their other users would do. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/where.h"
#include "sim/keep.h"
#include "sim/load.h"

static const char usage[] =
	"usage: divvy-sim new DIR MACHINE          a machine of data/machines, or a file\n"
	"       divvy-sim show DIR                 GPUs, instances, processes\n"
	"       divvy-sim hold DIR GPU|all NAME [open|compute|graphics|mps [GI CI [PID]]]\n"
	"                                          a process begins; prints its number\n"
	"       divvy-sim end DIR PID              a process ends\n"
	"       divvy-sim reset DIR GPU            reset one GPU\n"
	"       divvy-sim reload DIR               unload the driver and load it again\n"
	"       divvy-sim reboot DIR\n"
	"       divvy-sim xid DIR GPU XID [GI CI]  something goes wrong with a GPU\n"
	"       divvy-sim fault DIR CALL NTH "
	"RESULT|kill-before|kill-after|stop-before|stop-after|delay:MS\n"
	"                                          the NTH call of that name (* is any) fails, or\n"
	"                                          who makes it is killed, stopped or kept "
	"waiting\n"
	"       divvy-sim calm DIR                 no faults any more\n"
	"\n"
	"DIR/libnvidia-ml.so.1 is the machine's NVML, DIR/libcuda.so.1 its CUDA driver, DIR/root "
	"its\n"
	"/proc, /sys and /dev.\n"
	"Exit status: 0 done, 1 failed, 2 wrong usage, 3 the driver refused.\n";

/* A command's own words, after DIR. */
struct words {
	int count;
	char **all;
};

/* 0, a negative code, or the driver's refusal. */
typedef int act_fn(const struct dv_sim *sim, const struct words *words, struct dv_error *err);

static int number(const char *text, long least, long most, long *ret, struct dv_error *err)
{
	char *end;

	errno = 0;
	*ret = strtol(text, &end, 10);
	if (errno || end == text || *end || *ret < least || *ret > most)
		return dv_error_set(err, -EINVAL, "'%s' is no number from %ld to %ld", text, least,
				    most);
	return 0;
}

static int gpu_number(const struct dv_sim *sim, const char *text, uint32_t *ret,
		      struct dv_error *err)
{
	long gpu = 0;
	int r = number(text, 0, (long)sim->machine->gpu_count - 1, &gpu, err);

	*ret = (uint32_t)gpu;
	return r;
}

static void show_gpu(const struct dv_sim *sim, uint32_t gpu)
{
	const struct dv_sim_gpu_state *state = &sim->state->gpus[gpu];
	const struct dv_sim_model *model = dv_sim_model_of(sim, gpu);

	(void)printf("gpu %u %s %s minor %u mig %s", gpu, sim->machine->gpus[gpu].address,
		     sim->machine->gpus[gpu].uuid, state->minor,
		     !model->has_mig ? "none"
		     : state->mig    ? "on"
				     : "off");
	if (model->has_mig && state->mig != state->pending)
		(void)printf(" pending %s", state->pending ? "on" : "off");
	(void)printf(" %s\n", sim->machine->gpus[gpu].name);
	for (unsigned i = 0; i < DV_SIM_GIS_MOST; i++) {
		const struct dv_sim_gi *gi = &state->gis[i];

		if (!gi->used)
			continue;
		(void)printf("  gi %u %s at %u\n", gi->id, model->profiles[gi->profile].name,
			     gi->start);
		for (unsigned j = 0; j < DV_SIM_CIS_MOST; j++)
			if (gi->cis[j].used)
				(void)printf("    ci %u at %u:%u device %u\n", gi->cis[j].id,
					     gi->cis[j].start, gi->cis[j].size, gi->cis[j].index);
	}
}

static int show(const struct dv_sim *sim, const struct words *words, struct dv_error *err)
{
	static const char *const uses[] = {"open", "compute", "graphics", "mps"};

	(void)printf("machine %s driver %s boots %u\n", sim->machine->name, sim->machine->driver,
		     sim->state->boots);
	for (uint32_t gpu = 0; gpu < sim->machine->gpu_count; gpu++)
		show_gpu(sim, gpu);
	for (unsigned i = 0; i < DV_SIM_HOLDERS_MOST; i++) {
		const struct dv_sim_holder *holder = &sim->state->holders[i];

		if (holder->name[0])
			(void)printf("process %u %s %s gpus 0x%x gi %d ci %d\n", holder->pid,
				     holder->name, uses[holder->use], holder->gpus, holder->gi,
				     holder->ci);
	}
	for (unsigned i = 0; i < DV_SIM_FAULTS_MOST; i++)
		if (sim->state->faults[i].nth)
			(void)printf("fault %s in %u\n", sim->state->faults[i].call,
				     sim->state->faults[i].nth);
	for (uint32_t i = 0; i < sim->machine->model_count; i++)
		for (uint32_t j = 0; j < sim->machine->models[i].profile_count; j++)
			if (sim->machine->models[i].profiles[j].invented)
				(void)printf("invented figures: %s %s\n",
					     sim->machine->models[i].id,
					     sim->machine->models[i].profiles[j].name);
	return 0;
}

static int read_use(const char *text, enum dv_sim_use *ret, struct dv_error *err)
{
	static const char *const uses[] = {"open", "compute", "graphics", "mps"};

	for (unsigned i = 0; i < DV_SIM_USE_COUNT; i++)
		if (strcmp(text, uses[i]) == 0) {
			*ret = (enum dv_sim_use)i;
			return 0;
		}
	return dv_error_set(err, -EINVAL, "'%s' is none of open, compute, graphics, mps", text);
}

static int hold(const struct dv_sim *sim, const struct words *words, struct dv_error *err)
{
	struct dv_sim_holder holder = {.gi = -1, .ci = -1, .use = DV_SIM_OPEN};
	long gi = -1, ci = -1, own = 0;
	uint32_t gpu = 0, pid;
	int r = 0;

	holder.gpus = (uint32_t)((UINT64_C(1) << sim->machine->gpu_count) - 1);
	if (strcmp(words->all[0], "all") != 0) {
		r = gpu_number(sim, words->all[0], &gpu, err);
		holder.gpus = UINT32_C(1) << gpu;
	}
	(void)dv_copy(holder.name, sizeof(holder.name), words->all[1]);
	if (r == 0 && words->count > 2)
		r = read_use(words->all[2], &holder.use, err);
	if (r == 0 && words->count > 4) {
		r = number(words->all[3], -1, 14, &gi, err);
		r = r < 0 ? r : number(words->all[4], -1, 7, &ci, err);
	}
	if (r == 0 && words->count > 5)
		r = number(words->all[5], 1, INT32_MAX, &own, err);
	holder.gi = (int)gi;
	holder.ci = (int)ci;
	holder.pid = (uint32_t)own;
	if (r == 0)
		r = dv_sim_hold(sim, &holder, &pid, err);
	if (r == 0)
		(void)printf("%u\n", pid);
	return r;
}

static int end(const struct dv_sim *sim, const struct words *words, struct dv_error *err)
{
	long pid = 0;
	int r = number(words->all[0], 1, INT32_MAX, &pid, err);

	if (r == 0 && !dv_sim_let_go(sim, (uint32_t)pid))
		r = dv_error_set(err, -ENOENT, "no process %ld", pid);
	return r;
}

static int reset(const struct dv_sim *sim, const struct words *words, struct dv_error *err)
{
	uint32_t gpu = 0;
	int r = gpu_number(sim, words->all[0], &gpu, err);

	return r < 0 ? r : (int)dv_sim_reset(sim, gpu);
}

static int reload(const struct dv_sim *sim, const struct words *words, struct dv_error *err)
{
	return (int)dv_sim_reload(sim);
}

static int reboot(const struct dv_sim *sim, const struct words *words, struct dv_error *err)
{
	dv_sim_reboot(sim);
	return 0;
}

static int xid(const struct dv_sim *sim, const struct words *words, struct dv_error *err)
{
	struct dv_sim_event event = {.type = DV_NVML_EVENT_XID};
	long code = 0, gi = -1, ci = -1;
	int r = gpu_number(sim, words->all[0], &event.gpu, err);

	r = r < 0 ? r : number(words->all[1], 1, INT32_MAX, &code, err);
	if (r == 0 && words->count > 3) {
		r = number(words->all[2], -1, 14, &gi, err);
		r = r < 0 ? r : number(words->all[3], -1, 7, &ci, err);
	}
	if (r < 0)
		return r;
	event.data = (uint32_t)code;
	event.gi = gi < 0 ? DV_NVML_NO_INSTANCE : (uint32_t)gi;
	event.ci = ci < 0 ? DV_NVML_NO_INSTANCE : (uint32_t)ci;
	dv_sim_post(sim, &event);
	return 0;
}

static int fault(const struct dv_sim *sim, const struct words *words, struct dv_error *err)
{
	static const struct {
		const char *name;
		enum dv_sim_action action;
	} actions[] = {{"kill-before", DV_SIM_KILL_BEFORE},
		       {"kill-after", DV_SIM_KILL_AFTER},
		       {"stop-before", DV_SIM_STOP_BEFORE},
		       {"stop-after", DV_SIM_STOP_AFTER}};
	struct dv_sim_fault new = {.action = DV_SIM_RETURN};
	long nth = 0, result = 0;
	int r = number(words->all[1], 1, INT32_MAX, &nth, err);

	(void)dv_copy(new.call, sizeof(new.call), words->all[0]);
	for (unsigned i = 0; i < DV_ARRAY_LEN(actions); i++)
		if (strcmp(words->all[2], actions[i].name) == 0)
			new.action = actions[i].action;
	if (strncmp(words->all[2], "delay:", 6) == 0)
		new.action = DV_SIM_DELAY;
	if (r == 0 && new.action == DV_SIM_DELAY)
		r = number(words->all[2] + 6, 1, 3600000, &result, err);
	else if (r == 0 && new.action == DV_SIM_RETURN)
		r = number(words->all[2], 1, 999, &result, err);
	if (r < 0)
		return r;
	new.nth = (uint32_t)nth;
	new.result = (uint32_t)result;
	for (unsigned i = 0; i < DV_SIM_FAULTS_MOST; i++)
		if (!sim->state->faults[i].nth) {
			sim->state->faults[i] = new;
			return 0;
		}
	return dv_error_set(err, -ENOSPC, "at most %d faults at once", DV_SIM_FAULTS_MOST);
}

static int calm(const struct dv_sim *sim, const struct words *words, struct dv_error *err)
{
	memset(sim->state->faults, 0, sizeof(sim->state->faults));
	return 0;
}

static const struct command {
	const char *name;
	int least, most; /* words after DIR */
	act_fn *act;
} commands[] = {
	{"show", 0, 0, show},	{"hold", 2, 6, hold},	  {"end", 1, 1, end},
	{"reset", 1, 1, reset}, {"reload", 0, 0, reload}, {"reboot", 0, 0, reboot},
	{"fault", 3, 3, fault}, {"calm", 0, 0, calm},	  {"xid", 2, 4, xid},
};

static int act(const struct command *command, const char *dir, const struct words *words,
	       struct dv_error *err)
{
	dv_autofree struct dv_sim_machine *machine = calloc(1, sizeof(*machine));
	dv_autofree struct dv_sim_state *state = calloc(2, sizeof(*state));
	struct dv_sim sim = {machine, state};
	struct dv_sim_keep keep;
	int r, done;

	if (!machine || !state)
		return dv_error_set(err, -ENOMEM, "no memory for a simulated machine");
	r = dv_sim_keep_read_machine(dir, machine, err);
	if (r == 0)
		r = dv_sim_keep_begin(dir, &keep, state, err);
	if (r < 0)
		return r;
	state[1] = state[0];
	done = command->act(&sim, words, err);
	if (done != 0)
		state[0] = state[1];
	r = dv_sim_keep_end(&keep, machine, &state[1], state, err);
	return done ? done : r;
}

static int make(const char *dir, const char *name, struct dv_error *err)
{
	dv_autofree struct dv_sim_machine *machine = calloc(1, sizeof(*machine));
	struct dv_sim_libraries libraries = {.cuda = dv_where(DV_WHERE_SIM_CUDA)};
	int r;

	if (!machine)
		return dv_error_set(err, -ENOMEM, "no memory for a simulated machine");
	r = dv_sim_load(dv_where(DV_WHERE_DATA), name, machine, err);
	if (r < 0)
		return r;
	libraries.nvml = dv_where(machine->old_calls ? DV_WHERE_SIM_NVML_OLD : DV_WHERE_SIM_NVML);
	return dv_sim_keep_make(dir, machine, &libraries, err);
}

static int run(int argc, char **argv, struct dv_error *err)
{
	const struct words words = {argc - 3, argv + 3};

	if (strcmp(argv[1], "new") == 0)
		return words.count == 1 ? make(argv[2], words.all[0], err) : -EDOM;
	for (size_t i = 0; i < DV_ARRAY_LEN(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return words.count >= commands[i].least && words.count <= commands[i].most
				       ? act(&commands[i], argv[2], &words, err)
				       : -EDOM;
	return -EDOM;
}

int main(int argc, char **argv)
{
	struct dv_error err = {0};
	int r;

	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		(void)fputs(usage, stdout);
		return 0;
	}
	r = argc < 3 ? -EDOM : run(argc, argv, &err);
	if (r == -EDOM) {
		(void)fputs(usage, stderr);
		return 2;
	}
	if (r > 0) {
		(void)fprintf(stderr, "divvy-sim: the driver refused (NVML result %d)\n", r);
		return 3;
	}
	if (r < 0)
		(void)fprintf(stderr, "divvy-sim: %s%s%s\n", err.msg, err.fix[0] ? "\n" : "",
			      err.fix);
	return r < 0;
}
