/* SPDX-License-Identifier: Apache-2.0 */
#include "method/method.h"

#include "method/common.h"

/* A new method is one file and one line here; the order is that of the houses: whole, shared,
 * solid walls. */
static const struct dv_method_ops *const tables[] = {
	&dv_method_passthrough,
	&dv_method_slice,
	&dv_method_mig,
	&dv_method_partition,
};

const struct dv_method_ops *dv_method_ops_nth(unsigned n)
{
	return n < DV_ARRAY_LEN(tables) ? tables[n] : NULL;
}

const struct dv_method_ops *dv_method_ops(enum dv_method method)
{
	for (size_t i = 0; i < DV_ARRAY_LEN(tables); i++)
		if (tables[i]->method == method)
			return tables[i];
	return NULL;
}
