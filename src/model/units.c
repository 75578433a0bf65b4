/* SPDX-License-Identifier: Apache-2.0 */
#include "model/units.h"

#include <stdio.h>
#include <string.h>

#include "base/macro.h"

enum { DECIMALS_MOST = 6 };

struct unit {
	const char *name;
	uint64_t worth;
};

/* The first of two names with one worth is the one that is printed. */
static const struct unit sizes[] = {
	{"TiB", DV_GIB << 10}, {"GiB", DV_GIB}, {"MiB", DV_MIB}, {"KiB", DV_KIB},
	{"T", DV_GIB << 10},   {"G", DV_GIB},	{"M", DV_MIB},	 {"K", DV_KIB},
};
static const struct unit shares[] = {{"%", 1000}};
static const struct unit times[] = {
	{"s", UINT64_C(1000000000)}, {"ms", 1000000}, {"us", 1000}, {"ns", 1}};

/* One kind of quantity: its units, its bounds, and how to write it. */
struct quantity {
	const char *what;
	const struct unit *units;
	size_t unit_count;
	uint64_t step; /* values are whole multiples of it */
	uint64_t most;
	const char *allowed;
	const char *example;
};

static const struct quantity size_quantity = {
	.what = "size",
	.units = sizes,
	.unit_count = DV_ARRAY_LEN(sizes),
	.step = DV_KIB,
	.most = (UINT64_C(1) << 62) - DV_KIB,
	.allowed = "a whole number of KiB, more than 0 and less than 4194304TiB",
	.example = "8GiB or 512MiB (8G and 512M are the same)",
};

static const struct quantity share_quantity = {
	.what = "share",
	.units = shares,
	.unit_count = DV_ARRAY_LEN(shares),
	.step = 1,
	.most = DV_MPCT_WHOLE,
	.allowed = "more than 0%, at most 100%, at most 3 decimals",
	.example = "25% or 12.5%",
};

static const struct quantity time_quantity = {
	.what = "time",
	.units = times,
	.unit_count = DV_ARRAY_LEN(times),
	.step = 1,
	.most = UINT64_C(3600000000000),
	.allowed = "a whole number of ns, more than 0, at most 3600s",
	.example = "200ms, 500us or 2s",
};

static const struct unit *find_unit(const struct quantity *q, const char *name)
{
	for (size_t i = 0; i < q->unit_count; i++)
		if (strcmp(q->units[i].name, name) == 0)
			return &q->units[i];
	return NULL;
}

/* Read digits; false when there are none or the number is over 10^18. */
static bool read_digits(const char **text, uint64_t *ret, unsigned *ret_count)
{
	const char *s = *text;
	uint64_t value = 0;

	for (; *s >= '0' && *s <= '9'; s++) {
		if (value >= UINT64_C(100000000000000000))
			return false;
		value = value * 10 + (uint64_t)(*s - '0');
	}
	*ret_count = (unsigned)(s - *text);
	*ret = value;
	*text = s;
	return *ret_count > 0;
}

static int refuse(const struct quantity *q, const char *text, const char *why, struct dv_error *err)
{
	int r = dv_error_rule(err, -EINVAL, "F07", "%s '%.64s' %s; write it as in %s", q->what,
			      text, why, q->example);

	return dv_error_fix(err, r, "write %s", q->example);
}

/* whole.frac (of `decimals` digits) times the unit, exactly; false when it is not a number of
 * steps or over the most. */
static bool scale(const struct quantity *q, const struct unit *unit, uint64_t whole, uint64_t frac,
		  unsigned decimals, uint64_t *ret)
{
	uint64_t value, part, power = 1;

	while (decimals--)
		power *= 10;
	/* At most 10^6 * 2^40: fits. */
	part = frac * unit->worth;
	if (part % power || __builtin_mul_overflow(whole, unit->worth, &value) ||
	    __builtin_add_overflow(value, part / power, &value))
		return false;
	if (value == 0 || value > q->most || value % q->step)
		return false;
	*ret = value;
	return true;
}

static int parse(const struct quantity *q, const char *text, uint64_t *ret, struct dv_error *err)
{
	uint64_t whole, frac = 0, value;
	unsigned digits, decimals = 0;
	const char *s = text;
	const struct unit *unit;
	int r;

	if (!read_digits(&s, &whole, &digits))
		return refuse(q, text, "is not a number with a unit", err);
	if (*s == '.') {
		s++;
		if (!read_digits(&s, &frac, &decimals) || decimals > DECIMALS_MOST)
			return refuse(q, text, "needs 1 to 6 digits after its point", err);
	}
	if (!*s)
		return refuse(q, text, "has no unit", err);
	unit = find_unit(q, s);
	if (!unit)
		return refuse(q, text, "has an unknown unit", err);
	if (!scale(q, unit, whole, frac, decimals, &value)) {
		r = dv_error_rule(err, -EINVAL, "F07", "%s '%.64s' is out of range; allowed: %s",
				  q->what, text, q->allowed);
		return dv_error_fix(err, r, "write %s", q->allowed);
	}
	*ret = value;
	return 0;
}

int dv_size_parse(const char *text, uint64_t *ret_bytes, struct dv_error *err)
{
	return parse(&size_quantity, text, ret_bytes, err);
}

int dv_share_parse(const char *text, uint32_t *ret_mpct, struct dv_error *err)
{
	uint64_t value;
	int r = parse(&share_quantity, text, &value, err);

	if (r < 0)
		return r;
	*ret_mpct = (uint32_t)value;
	return 0;
}

int dv_time_parse(const char *text, uint64_t *ret_ns, struct dv_error *err)
{
	return parse(&time_quantity, text, ret_ns, err);
}

static const char *print(const struct quantity *q, uint64_t value, const char *small, char *buf,
			 size_t size)
{
	for (size_t i = 0; value && i < q->unit_count; i++)
		if (value % q->units[i].worth == 0) {
			(void)snprintf(buf, size, "%llu%s",
				       (unsigned long long)(value / q->units[i].worth),
				       q->units[i].name);
			return buf;
		}
	(void)snprintf(buf, size, "%llu%s", (unsigned long long)value, small);
	return buf;
}

const char *dv_size_print(uint64_t bytes, char *buf, size_t size)
{
	return print(&size_quantity, bytes, "B", buf, size);
}

const char *dv_share_print(uint32_t mpct, char *buf, size_t size)
{
	unsigned frac = mpct % 1000;
	int digits = 3;

	if (frac == 0) {
		(void)snprintf(buf, size, "%u%%", mpct / 1000);
		return buf;
	}
	for (; frac % 10 == 0; frac /= 10)
		digits--;
	(void)snprintf(buf, size, "%u.%0*u%%", mpct / 1000, digits, frac);
	return buf;
}

const char *dv_time_print(uint64_t ns, char *buf, size_t size)
{
	return print(&time_quantity, ns, "ns", buf, size);
}
