/* SPDX-License-Identifier: Apache-2.0 */
/* Facts about GPUs: MIG profiles and their places, vGPU types, identities, and where each fact
 * comes from. It parses texts of data/gpus and data/vgpu that somebody else read; no I/O here.
 *
 * The catalogue owns every row and text; pointers into it live as long as it does. What no source
 * says is unknown (DV_CAT_UNKNOWN, DV_CAT_OPEN, NULL), never 0 or no. First all files are added,
 * then the catalogue is sealed, and from then on it is constant and may be read by many threads. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/vec.h"

enum {
	DV_CAT_GRID_MOST = 64,	 /* units of a grid, and places of a profile */
	DV_CAT_ROWS_MOST = 1024, /* GPUs, boards, sources; rows of one list in a file */
	DV_CAT_TEXT_MOST = 400,	 /* bytes of one text */
};

#define DV_CAT_UNKNOWN UINT32_MAX

enum dv_cat_known { DV_CAT_NO, DV_CAT_YES, DV_CAT_OPEN };
enum dv_cat_class { DV_CAT_PROFESSIONAL, DV_CAT_CONSUMER, DV_CAT_EMBEDDED, DV_CAT_CLASS_COUNT };

/* How we know where instances may stand: printed by a real driver, inferred from a GPU of the same
 * grid and ids, or not known at all. */
enum dv_cat_places { DV_CAT_PRINTED, DV_CAT_INFERRED, DV_CAT_NO_PLACES, DV_CAT_PLACES_COUNT };
enum dv_cat_confidence { DV_CAT_HIGH, DV_CAT_MEDIUM, DV_CAT_LOW, DV_CAT_CONFIDENCE_COUNT };

struct dv_cat_texts {
	DV_VEC(const char *);
};

struct dv_cat_source {
	const char *id;	   /* as rows name it */
	const char *what;  /* document and version or date */
	const char *where; /* address, or NULL */
};

struct dv_cat_engines {
	uint32_t copy, decode, encode, jpeg, optical_flow;
};

/* A way to cut a MIG instance out of one GPU. */
struct dv_cat_profile {
	const char *name;     /* "1g.10gb+me" */
	const char *shape;    /* its like on other GPUs of the family: "1g+me"; "1g*2": 2 units */
	uint32_t id;	      /* that the driver prints and takes */
	uint32_t driver_enum; /* its number in the driver's own list of profiles */
	uint32_t compute_slices;
	uint32_t size;			  /* units of the grid that an instance takes */
	unsigned start_count;		  /* 0: places unknown */
	uint8_t starts[DV_CAT_GRID_MOST]; /* ascending */
	uint32_t most;			  /* instances at once, nothing else there */
	uint32_t memory_mib;		  /* from a source; else see dv_cat_profile_memory */
	uint32_t multiprocessors;
	struct dv_cat_engines engines;
	struct dv_cat_texts sources;
	const char *note; /* or NULL */
};

struct dv_cat_mig {
	uint32_t grid; /* width, in memory slices; an instance is an interval of it */
	uint32_t compute_slices;
	uint32_t most;		/* instances at once */
	const char *min_driver; /* or NULL */
	enum dv_cat_known reset_to_toggle, mode_survives_reboot, peer_to_peer;
	enum dv_cat_places places;
	enum dv_cat_confidence confidence;
	DV_VEC(struct dv_cat_profile) profiles;
};

struct dv_cat_subsystem {
	uint16_t vendor, device;
};

struct dv_cat_pci {
	uint16_t vendor, device;
	const char *name; /* or NULL */
	DV_VEC(struct dv_cat_subsystem) subsystems;
};

struct dv_cat_gpu {
	const char *id;		  /* "h100-80-sxm" */
	const char *name;	  /* "NVIDIA H100 80GB HBM3" */
	struct dv_cat_texts also; /* other products that are the same to us */
	const char *architecture, *chip, *compute_capability; /* or NULL */
	enum dv_cat_class class;
	uint32_t memory_mib, multiprocessors;
	enum dv_cat_known passthrough, vgpu;
	DV_VEC(struct dv_cat_pci) pci;
	bool has_mig;
	struct dv_cat_mig mig; /* if has_mig */
	struct dv_cat_texts notes, sources;
};

/* A vendor's vGPU type: "L40S-8Q" (shares time) or "H100XM-1-10C" (on a MIG partition). */
struct dv_cat_vgpu {
	const char *name;
	char series;	       /* see struct dv_cat_series */
	uint32_t partition;    /* compute slices of the MIG partition beneath; 0: none */
	const char *attribute; /* of that partition's profile ("me", "gfx"), or NULL */
	uint32_t memory_mib;
	bool exact;	     /* else memory_mib comes from the name */
	uint32_t most;	     /* on one GPU, all of this size */
	uint32_t most_mixed; /* on one GPU that allows sizes side by side */
	struct dv_cat_texts sources;
	const char *note; /* or NULL */
};

struct dv_cat_board {
	const char *id; /* what its types' names begin with */
	const char *name;
	struct dv_cat_texts gpus; /* ids of GPUs of the catalogue */
	DV_VEC(struct dv_cat_vgpu) types;
	struct dv_cat_texts sources;
};

struct dv_cat_series {
	char letter;
	const char *licence, *use;
};

/* A compute instance: a part of the compute of a MIG instance, whose memory it shares. */
struct dv_cat_ci {
	const char *name; /* "1c" */
	uint32_t id, size, most;
	unsigned start_count;
	uint8_t starts[DV_CAT_GRID_MOST];
};

struct dv_cat_ci_set {
	uint32_t of; /* compute slices of the MIG instance */
	DV_VEC(struct dv_cat_ci) profiles;
};

struct dv_catalog;

int dv_catalog_new(struct dv_catalog **ret_catalog, struct dv_error *err) DV_MUST_CHECK;
void dv_catalog_free(struct dv_catalog *catalog);
DV_DEFINE_FREEP(struct dv_catalog, dv_catalog_free)

/* Add the facts of one file's text, called `file` in messages. -EBADMSG with file, line and column;
 * -E2BIG over DV_CATALOG_FILE_MOST; -ENOMEM. On failure the catalogue is as it was. */
int dv_catalog_add(struct dv_catalog *catalog, const char *text, size_t len, const char *file,
		   struct dv_error *err) DV_MUST_CHECK;

/* Sort, and check what spans files: ids and PCI ids are there once, sources and GPUs named exist.
 * -EBADMSG. No file may be added after. */
int dv_catalog_seal(struct dv_catalog *catalog, struct dv_error *err) DV_MUST_CHECK;

/* Rows in the order of their ids; NULL past the last. */
const struct dv_cat_gpu *dv_catalog_gpu(const struct dv_catalog *catalog, size_t i);
const struct dv_cat_board *dv_catalog_board(const struct dv_catalog *catalog, size_t i);
const struct dv_cat_series *dv_catalog_series(const struct dv_catalog *catalog, char letter);
const struct dv_cat_source *dv_catalog_source(const struct dv_catalog *catalog, const char *id);
/* Compute instances of a MIG instance with so many compute slices, or NULL. */
const struct dv_cat_ci_set *dv_catalog_ci(const struct dv_catalog *catalog, uint32_t of);

/* The GPU with that id, or NULL. */
const struct dv_cat_gpu *dv_catalog_by_id(const struct dv_catalog *catalog, const char *id);

/* The GPU with that PCI id, or NULL. Where several share vendor and device the subsystem decides;
 * one that none of them lists is not guessed. */
const struct dv_cat_gpu *dv_catalog_by_pci(const struct dv_catalog *catalog, uint16_t vendor,
					   uint16_t device, uint16_t subvendor, uint16_t subdevice);

/* The GPU that a person means: by id, or, whatever the case, by the beginning of any run of words
 * of a product's name ("H100-80", "RTX 4090"). Whole words go before beginnings of words, and a
 * GPU's own name before other products of its row. Where several are left with the same grid and
 * places, the first is taken whose memory is measured; *ret_others (may be NULL) is how many there
 * were besides: name the one that was taken. -EINVAL with rule F15 (none) or F16 (several that
 * differ, with the candidates). */
int dv_catalog_find(const struct dv_catalog *catalog, const char *text,
		    const struct dv_cat_gpu **ret_gpu, size_t *ret_others,
		    struct dv_error *err) DV_MUST_CHECK;

/* The profile of that name. -EOPNOTSUPP with rule M02 (the GPU has no MIG), -EINVAL with rule M01
 * (no such profile, with the nearest and all). */
int dv_cat_profile_find(const struct dv_cat_gpu *gpu, const char *name,
			const struct dv_cat_profile **ret_profile,
			struct dv_error *err) DV_MUST_CHECK;

/* Memory of an instance in MiB: measured, else derived from the name less 10 % (*ret_derived), else
 * DV_CAT_UNKNOWN. */
uint32_t dv_cat_profile_memory(const struct dv_cat_profile *profile, bool *ret_derived);

/* Do the numbers of engines of this profile contradict how many of it there can be: more together
 * than any profile of the GPU is said to have? Then nothing is planned by them. */
bool dv_cat_engines_doubtful(const struct dv_cat_mig *mig, const struct dv_cat_profile *profile);

/* Is the memory of every profile, or of a GPU without MIG its own, from a source? */
bool dv_cat_measured(const struct dv_cat_gpu *gpu);

/* May an instance of that profile stand at `start`? */
bool dv_cat_profile_fits(const struct dv_cat_profile *profile, uint32_t start);

bool dv_cat_board_is_of(const struct dv_cat_board *board, const struct dv_cat_gpu *gpu);

/* The vGPU type of that name, whatever the case, and its board. -EINVAL with rule F15. */
int dv_catalog_vgpu(const struct dv_catalog *catalog, const char *name,
		    const struct dv_cat_board **ret_board, const struct dv_cat_vgpu **ret_type,
		    struct dv_error *err) DV_MUST_CHECK;

/* What keeps the number of vGPUs of a type down. */
enum dv_cat_limit {
	DV_CAT_LIMIT_MEMORY,	 /* the memory is used up */
	DV_CAT_LIMIT_BOARD,	 /* the board takes no more, memory would be left */
	DV_CAT_LIMIT_PLACES,	 /* sizes side by side have fixed places */
	DV_CAT_LIMIT_PARTITIONS, /* MIG partitions of that size, and vGPUs in each */
	DV_CAT_LIMIT_COUNT
};

/* How many of that type fit on one GPU, and which limit binds; DV_CAT_UNKNOWN (and *ret_limit
 * untouched) where no source says so. `mixed`: the GPU allows sizes side by side. */
uint32_t dv_cat_vgpu_most(const struct dv_cat_board *board, const struct dv_cat_vgpu *type,
			  bool mixed, enum dv_cat_limit *ret_limit);

const char *dv_cat_class_name(enum dv_cat_class class);
const char *dv_cat_places_name(enum dv_cat_places places);
const char *dv_cat_confidence_name(enum dv_cat_confidence confidence);
/* "memory", "board", "places", "partitions" */
const char *dv_cat_limit_name(enum dv_cat_limit limit);
