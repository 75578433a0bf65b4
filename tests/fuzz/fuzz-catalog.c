/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a file of the catalogue: refused with a place and nothing kept, or a row that holds
 * together and can be found. */
#include <string.h>

#include "catalog/catalog.h"
#include "fuzz.h"

static void check_refusal(int r, const struct dv_error *err)
{
	FUZZ_REQUIRE(r == -EBADMSG || r == -E2BIG || r == -ENOMEM);
	FUZZ_REQUIRE(err->code == r && err->msg[0]);
	FUZZ_REQUIRE(r != -EBADMSG || (err->rule[0] == 'F' && err->line > 0 && err->column > 0));
	for (const char *s = err->msg; *s; s++)
		FUZZ_REQUIRE((unsigned char)*s >= ' ' && *s != 0x7f);
}

static void check_profile(const struct dv_cat_mig *mig, const struct dv_cat_profile *p)
{
	uint32_t end = 0;
	bool derived;

	FUZZ_REQUIRE(p->name[0] && p->shape[0] && p->sources.len);
	FUZZ_REQUIRE(p->most > 0 && p->compute_slices > 0);
	FUZZ_REQUIRE(!p->start_count || p->most <= p->start_count);
	for (unsigned i = 0; i < p->start_count; i++) {
		FUZZ_REQUIRE(p->starts[i] >= end);
		end = p->starts[i] + p->size;
		FUZZ_REQUIRE(end <= mig->grid);
		FUZZ_REQUIRE(dv_cat_profile_fits(p, p->starts[i]));
	}
	FUZZ_REQUIRE(dv_cat_profile_memory(p, &derived) != 0 || !derived);
}

static void check_gpu(const struct dv_catalog *catalog, const struct dv_cat_gpu *gpu)
{
	const struct dv_cat_profile *found = NULL;
	const struct dv_cat_gpu *same = NULL;

	FUZZ_REQUIRE(gpu->id[0] && gpu->name[0] && gpu->sources.len);
	FUZZ_REQUIRE(dv_catalog_by_id(catalog, gpu->id) == gpu);
	FUZZ_REQUIRE(dv_catalog_find(catalog, gpu->id, &same, NULL, NULL) == 0 && same == gpu);
	for (size_t i = 0; i < gpu->mig.profiles.len; i++) {
		const struct dv_cat_profile *p = &gpu->mig.profiles.items[i];

		check_profile(&gpu->mig, p);
		FUZZ_REQUIRE(dv_cat_profile_find(gpu, p->name, &found, NULL) == 0);
	}
	for (size_t i = 0; i < gpu->pci.len; i++)
		(void)dv_catalog_by_pci(catalog, gpu->pci.items[i].vendor, gpu->pci.items[i].device,
					0x10de, 1);
	(void)dv_cat_measured(gpu);
}

static void check_board(const struct dv_cat_board *board)
{
	enum dv_cat_limit limit = DV_CAT_LIMIT_COUNT;

	for (size_t i = 0; i < board->types.len; i++) {
		const struct dv_cat_vgpu *type = &board->types.items[i];

		FUZZ_REQUIRE(type->series >= 'A' && type->series <= 'Z');
		FUZZ_REQUIRE(dv_cat_vgpu_most(board, type, false, &limit) == type->most);
		FUZZ_REQUIRE(limit < DV_CAT_LIMIT_COUNT);
		(void)dv_cat_vgpu_most(board, type, true, &limit);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	dv_cleanup(dv_catalog_freep) struct dv_catalog *catalog = NULL;
	struct dv_error err = {0};
	int r = dv_catalog_new(&catalog, &err);

	if (r == 0)
		r = dv_catalog_add(catalog, (const char *)data, size, "x", &err);
	if (r < 0) {
		check_refusal(r, &err);
		FUZZ_REQUIRE(!catalog ||
			     (!dv_catalog_gpu(catalog, 0) && !dv_catalog_board(catalog, 0) &&
			      !dv_catalog_series(catalog, 'A')));
		return 0;
	}
	if (dv_catalog_gpu(catalog, 0))
		check_gpu(catalog, dv_catalog_gpu(catalog, 0));
	if (dv_catalog_board(catalog, 0))
		check_board(dv_catalog_board(catalog, 0));
	r = dv_catalog_seal(catalog, &err);
	FUZZ_REQUIRE(r == 0 || (r == -EBADMSG && err.msg[0]));
	return 0;
}
