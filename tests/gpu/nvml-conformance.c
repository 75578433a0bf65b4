/* SPDX-License-Identifier: Apache-2.0 */
/* Does a libnvidia-ml.so.1 keep to what divvy takes for granted? Only questions are asked, nothing
 * is changed, so it runs on a real driver as on a simulated machine. The library is the only
 * argument. Prints what it saw; ends with 1 on a surprise, 77 where there is no library or no
 * driver. */
#include <stdio.h>
#include <stdlib.h>

#include "nvml-load.h"

#include "base/macro.h"

enum { NUMBERS_MOST = 64, LIST_MOST = 256, GRID_MOST = 64 };

static struct dv_nvml_api nvml;
static unsigned checks, surprises;

static void check_at(int line, int holds, const char *what)
{
	checks++;
	if (holds)
		return;
	surprises++;
	(void)printf("surprise at line %d: %s\n", line, what);
}

#define CHECK(what) check_at(__LINE__, (what) ? 1 : 0, #what)
#define IS(call, expected) CHECK((call) == DV_NVML_##expected)

/* The newest form of a call that there is. */
static enum dv_nvml_result placements(struct dv_nvml_device *gpu, uint32_t id,
				      struct dv_nvml_placement *ret, uint32_t *count)
{
	return nvml.gi_placements ? nvml.gi_placements(gpu, id, ret, count)
				  : nvml.gi_placements_v1(gpu, id, ret, count);
}

static enum dv_nvml_result ci_info(struct dv_nvml_ci *ci, struct dv_nvml_ci_info *ret)
{
	return nvml.ci_info ? nvml.ci_info(ci, ret) : nvml.ci_info_v1(ci, ret);
}

static void identity(struct dv_nvml_device *gpu, uint32_t index)
{
	char name[DV_NVML_NAME_SIZE] = "", uuid[DV_NVML_UUID_SIZE] = "", small[2];
	struct dv_nvml_device *again = NULL;
	struct dv_nvml_pci pci = {0};
	uint32_t number = UINT32_MAX, is_mig = 1;
	int major = 0, minor = -1;

	IS(nvml.name(gpu, name, sizeof(name)), SUCCESS);
	CHECK(name[0]);
	IS(nvml.name(gpu, small, sizeof(small)), INSUFFICIENT_SIZE);
	IS(nvml.uuid(gpu, uuid, sizeof(uuid)), SUCCESS);
	CHECK(strncmp(uuid, "GPU-", 4) == 0 && strlen(uuid) == 40);
	IS(nvml.by_uuid(uuid, &again), SUCCESS);
	CHECK(again == gpu);
	IS(nvml.index(gpu, &number), SUCCESS);
	CHECK(number == index);
	IS(nvml.minor(gpu, &number), SUCCESS);
	CHECK(number < 256);
	IS(nvml.pci(gpu, &pci), SUCCESS);
	CHECK((pci.device_id & 0xffff) == 0x10de);
	CHECK(strlen(pci.address) == 16);
	again = NULL;
	IS(nvml.by_address(pci.address, &again), SUCCESS);
	CHECK(again == gpu);
	IS(nvml.compute_capability(gpu, &major, &minor), SUCCESS);
	CHECK(major >= 3 && minor >= 0);
	if (nvml.is_mig(gpu, &is_mig) == DV_NVML_SUCCESS)
		CHECK(is_mig == 0);
	(void)printf("gpu %u: %s, %s, %s, compute capability %d.%d\n", index, name, pci.address,
		     uuid, major, minor);
}

static void memory(struct dv_nvml_device *gpu)
{
	struct dv_nvml_memory old = {0};
	struct dv_nvml_memory_v2 new = {.version = DV_NVML_MEMORY_V2};

	IS(nvml.memory_v1(gpu, &old), SUCCESS);
	CHECK(old.total > 0 && old.free <= old.total);
	if (!nvml.memory)
		return;
	IS(nvml.memory(gpu, &new), SUCCESS);
	CHECK(new.total == old.total &&new.reserved < new.total);
	new.version = 1;
	CHECK(nvml.memory(gpu, &new) != DV_NVML_SUCCESS);
	(void)printf("  memory %llu MiB, reserved %llu MiB\n", (unsigned long long)old.total >> 20,
		     (unsigned long long)new.reserved >> 20);
}

static void processes(struct dv_nvml_device *gpu)
{
	struct dv_nvml_process list[LIST_MOST];
	uint32_t count = 0, room = LIST_MOST;
	enum dv_nvml_result result;

	if (!nvml.compute_processes)
		return;
	result = nvml.compute_processes(gpu, &count, NULL);
	CHECK(result == DV_NVML_SUCCESS || result == DV_NVML_INSUFFICIENT_SIZE);
	CHECK((result == DV_NVML_SUCCESS) == (count == 0));
	IS(nvml.compute_processes(gpu, &room, list), SUCCESS);
	for (uint32_t i = 0; i < room && i < LIST_MOST; i++)
		CHECK(list[i].pid > 0);
	(void)printf("  %u processes compute\n", room);
}

/* All versions of a profile's description say the same. */
static void profile_versions(struct dv_nvml_device *gpu, uint32_t number,
			     const struct dv_nvml_gi_profile *old)
{
	struct dv_nvml_gi_profile_v2 two = {.version = DV_NVML_GI_PROFILE_V2};
	struct dv_nvml_gi_profile_v3 three = {.version = DV_NVML_GI_PROFILE_V3};
	struct dv_nvml_gi_profile_v2 wrong = {.version = 7u << 24 | 152};

	if (!nvml.gi_profile)
		return;
	IS(nvml.gi_profile(gpu, number, &two), SUCCESS);
	CHECK(two.id == old->id && two.slices == old->slices && two.memory_mib == old->memory_mib);
	CHECK(two.multiprocessors == old->multiprocessors && two.instances == old->instances);
	CHECK(strncmp(two.name, "MIG ", 4) == 0);
	CHECK(nvml.gi_profile(gpu, number, &wrong) != DV_NVML_SUCCESS);
	if (nvml.gi_profile(gpu, number, (struct dv_nvml_gi_profile_v2 *)(void *)&three) ==
	    DV_NVML_SUCCESS) {
		CHECK(three.id == old->id && three.memory_mib == old->memory_mib);
		CHECK(strcmp(three.name, two.name) == 0);
	}
	if (nvml.gi_profile_by_id) {
		struct dv_nvml_gi_profile_v2 by_id = {.version = DV_NVML_GI_PROFILE_V2};

		IS(nvml.gi_profile_by_id(gpu, old->id, &by_id), SUCCESS);
		CHECK(strcmp(by_id.name, two.name) == 0);
	}
	(void)printf(" %s", two.name);
}

static void profile_places(struct dv_nvml_device *gpu, const struct dv_nvml_gi_profile *profile)
{
	struct dv_nvml_placement places[LIST_MOST];
	uint32_t count = 0, filled = LIST_MOST;
	uint64_t before = 0;
	enum dv_nvml_result result = placements(gpu, profile->id, NULL, &count);

	if (result == DV_NVML_NO_PERMISSION)
		return;
	CHECK(result == DV_NVML_SUCCESS);
	CHECK(count > 0 && count <= LIST_MOST);
	IS(placements(gpu, profile->id, places, &filled), SUCCESS);
	CHECK(filled == count);
	(void)printf(" at");
	for (uint32_t i = 0; i < count && i < LIST_MOST; i++) {
		CHECK(places[i].size > 0 && places[i].start + places[i].size <= GRID_MOST);
		CHECK(places[i].size == places[0].size);
		/* divvy's planner counts on it: places of one profile do not overlap. */
		CHECK(!(before >> places[i].start & ((UINT64_C(1) << (places[i].size & 63)) - 1)));
		before |= ((UINT64_C(1) << (places[i].size & 63)) - 1) << places[i].start;
		(void)printf(" %u:%u", places[i].start, places[i].size);
	}
}

static void compute_instances(struct dv_nvml_gi *gi, uint32_t gi_slices)
{
	for (uint32_t number = 0; number < NUMBERS_MOST; number++) {
		struct dv_nvml_ci_profile profile;
		struct dv_nvml_ci *cis[LIST_MOST] = {NULL};
		uint32_t count = LIST_MOST;
		enum dv_nvml_result result =
			nvml.ci_profile_v1(gi, number, DV_NVML_CI_ENGINES_SHARED, &profile);

		if (result == DV_NVML_INVALID_ARGUMENT)
			break;
		if (result != DV_NVML_SUCCESS)
			continue;
		CHECK(profile.slices > 0 && profile.slices <= gi_slices);
		IS(nvml.ci_list(gi, profile.id, cis, &count), SUCCESS);
		for (uint32_t i = 0; i < count && i < LIST_MOST; i++) {
			struct dv_nvml_ci_info info = {0};
			struct dv_nvml_ci *again = NULL;

			IS(ci_info(cis[i], &info), SUCCESS);
			CHECK(info.profile == profile.id && info.placement.size == profile.slices);
			CHECK(info.placement.start + info.placement.size <= gi_slices);
			IS(nvml.ci_by_id(gi, info.id, &again), SUCCESS);
			(void)printf("    compute instance %u at %u:%u\n", info.id,
				     info.placement.start, info.placement.size);
		}
	}
}

static void gpu_instances(struct dv_nvml_device *gpu, const struct dv_nvml_gi_profile *profile,
			  uint64_t *taken)
{
	struct dv_nvml_gi *gis[LIST_MOST] = {NULL};
	uint32_t count = LIST_MOST;
	enum dv_nvml_result result = nvml.gi_list(gpu, profile->id, gis, &count);

	if (result != DV_NVML_SUCCESS) {
		CHECK(result == DV_NVML_NO_PERMISSION);
		return;
	}
	for (uint32_t i = 0; i < count && i < LIST_MOST; i++) {
		struct dv_nvml_gi_info info = {0};
		struct dv_nvml_gi *again = NULL;
		uint64_t mask;

		IS(nvml.gi_info(gis[i], &info), SUCCESS);
		CHECK(info.profile == profile->id && info.device == gpu);
		IS(nvml.gi_by_id(gpu, info.id, &again), SUCCESS);
		mask = ((UINT64_C(1) << (info.placement.size & 63)) - 1) << info.placement.start;
		CHECK(!(*taken & mask));
		*taken |= mask;
		(void)printf("\n   instance %u at %u:%u\n", info.id, info.placement.start,
			     info.placement.size);
		compute_instances(gis[i], profile->slices);
	}
}

static void profiles(struct dv_nvml_device *gpu, uint32_t mig)
{
	uint64_t taken = 0;
	uint32_t found = 0, number;

	for (number = 0; number < NUMBERS_MOST; number++) {
		struct dv_nvml_gi_profile profile = {0};
		enum dv_nvml_result result = nvml.gi_profile_v1(gpu, number, &profile);

		if (result == DV_NVML_INVALID_ARGUMENT)
			break;
		CHECK(result == DV_NVML_SUCCESS || result == DV_NVML_NOT_SUPPORTED ||
		      result == DV_NVML_NO_PERMISSION);
		if (result != DV_NVML_SUCCESS)
			continue;
		found++;
		CHECK(profile.slices > 0 && profile.memory_mib > 0 && profile.multiprocessors > 0);
		(void)printf("  number %u id %u:", number, profile.id);
		profile_versions(gpu, number, &profile);
		(void)printf(" %llu MiB %u SMs", (unsigned long long)profile.memory_mib,
			     profile.multiprocessors);
		profile_places(gpu, &profile);
		if (mig)
			gpu_instances(gpu, &profile, &taken);
		(void)printf("\n");
	}
	CHECK(number >= 7 && number < NUMBERS_MOST);
	CHECK(!mig || found > 0);
}

static void mig_devices(struct dv_nvml_device *gpu)
{
	uint32_t most = 0, number = UINT32_MAX;

	IS(nvml.mig_most(gpu, &most), SUCCESS);
	CHECK(most > 0 && most <= 64);
	for (uint32_t i = 0; i < most; i++) {
		struct dv_nvml_device *mig = NULL, *parent = NULL, *again = NULL;
		struct dv_nvml_attributes attributes = {0};
		char uuid[DV_NVML_UUID_SIZE] = "";
		enum dv_nvml_result result = nvml.mig_by_index(gpu, i, &mig);

		CHECK(result == DV_NVML_SUCCESS || result == DV_NVML_NOT_FOUND);
		if (result != DV_NVML_SUCCESS)
			continue;
		IS(nvml.is_mig(mig, &number), SUCCESS);
		CHECK(number == 1);
		IS(nvml.mig_parent(mig, &parent), SUCCESS);
		CHECK(parent == gpu);
		IS(nvml.gi_id(mig, &number), SUCCESS);
		IS(nvml.ci_id(mig, &number), SUCCESS);
		IS(nvml.attributes(mig, &attributes), SUCCESS);
		CHECK(attributes.memory_mib > 0 && attributes.ci_slices <= attributes.gi_slices);
		IS(nvml.uuid(mig, uuid, sizeof(uuid)), SUCCESS);
		CHECK(strncmp(uuid, "MIG-", 4) == 0);
		IS(nvml.by_uuid(uuid, &again), SUCCESS);
		memory(mig);
		(void)printf("  device %u: %s\n", i, uuid);
	}
}

static void fields(struct dv_nvml_device *gpu)
{
	struct dv_nvml_field values[] = {{.id = DV_NVML_FIELD_MIG_WITHOUT_RESET},
					 {.id = DV_NVML_FIELD_PROFILES_WITHOUT_MIG}};

	IS(nvml.fields(gpu, 2, values), SUCCESS);
	for (unsigned i = 0; i < 2; i++)
		if (values[i].result == DV_NVML_SUCCESS) {
			CHECK(values[i].uint_value <= 1);
			(void)printf("  field %u: %u\n", values[i].id, values[i].uint_value);
		}
}

static void one_gpu(uint32_t index)
{
	struct dv_nvml_device *gpu = NULL;
	uint32_t current = 0, pending = 0;
	enum dv_nvml_result result;

	IS(nvml.by_index(index, &gpu), SUCCESS);
	if (!gpu)
		return;
	identity(gpu, index);
	memory(gpu);
	processes(gpu);
	fields(gpu);
	result = nvml.mig_mode(gpu, &current, &pending);
	CHECK(result == DV_NVML_SUCCESS || result == DV_NVML_NOT_SUPPORTED);
	if (result != DV_NVML_SUCCESS) {
		(void)printf("  no MIG\n");
		return;
	}
	CHECK(current <= 1 && pending <= 1);
	(void)printf("  MIG %u, pending %u\n", current, pending);
	profiles(gpu, current);
	if (current)
		mig_devices(gpu);
}

static int look(const char *library)
{
	char driver[DV_NVML_VERSION_SIZE] = "", version[DV_NVML_VERSION_SIZE] = "";
	struct dv_nvml_device *gpu = NULL;
	enum dv_nvml_result result;
	uint32_t count = 0;
	int cuda = 0;

	IS(nvml.count(&count), UNINITIALIZED);
	result = nvml.init();
	if (result != DV_NVML_SUCCESS) {
		(void)printf("%s: no driver answers (%s)\n", library, nvml.error_string(result));
		return 77;
	}
	IS(nvml.driver_version(driver, sizeof(driver)), SUCCESS);
	IS(nvml.library_version(version, sizeof(version)), SUCCESS);
	IS(nvml.cuda_version(&cuda), SUCCESS);
	CHECK(cuda >= 9000);
	IS(nvml.count(&count), SUCCESS);
	(void)printf("driver %s, NVML %s, CUDA %d, %u GPUs\n", driver, version, cuda, count);
	IS(nvml.by_index(count, &gpu), INVALID_ARGUMENT);
	CHECK(nvml.by_uuid("GPU-00000000-0000-0000-0000-000000000000", &gpu) != DV_NVML_SUCCESS);
	CHECK(strcmp(nvml.error_string(DV_NVML_SUCCESS), "Success") == 0);
	CHECK(nvml.error_string((enum dv_nvml_result)12345));
	for (uint32_t i = 0; i < count; i++)
		one_gpu(i);
	IS(nvml.shutdown(), SUCCESS);
	IS(nvml.count(&count), UNINITIALIZED);
	(void)printf("%u checks, %u surprises\n", checks, surprises);
	return surprises ? 1 : 0;
}

int main(int argc, char **argv)
{
	const char *library = argc > 1 ? argv[1] : "libnvidia-ml.so.1";
	void *handle = nvml_load(library, &nvml);

	if (!handle) {
		(void)printf("no %s here: nothing to compare with\n", library);
		return 77;
	}
	return look(library);
}
