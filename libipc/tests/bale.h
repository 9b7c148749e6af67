/* SPDX-License-Identifier: MIT */
/*
 * Random messages of every form with bytes: the same for the same seed.
 */
#ifndef IPC_TEST_BALE_H
#define IPC_TEST_BALE_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "test.pb-c.h"

/* The maximum length of a bytes field. */
#define BALE_BYTES	((size_t)20 << 10)

static inline uint8_t *bale_pattern(size_t size)
{
	uint8_t *data = malloc(size + 1);

	ck_assert_ptr_nonnull(data);
	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	return data;
}

static inline ProtobufCBinaryData bale_bytes(void)
{
	static const size_t sizes[] = { 0, 1, 100, 4095, 4096, 8191, 8192 };
	size_t size = rand() % 4 ? sizes[(size_t)rand() % 7] : (size_t)rand() % BALE_BYTES;
	ProtobufCBinaryData bytes = { .len = size };

	if (!size)
		return bytes;
	bytes.data = bale_pattern(size);
	bytes.data[0] = (uint8_t)rand();
	return bytes;
}

/* Free the result with ipc__test__bale__free_unpacked(). */
static inline Ipc__Test__Bale *bale_new(unsigned int depth)
{
	Ipc__Test__Bale *bale = malloc(sizeof(*bale));

	ck_assert_ptr_nonnull(bale);
	ipc__test__bale__init(bale);
	if (rand() % 2)
		bale->straw = bale_bytes();
	if (rand() % 2) {
		bale->n_bundles = (size_t)rand() % 4;
		bale->bundles = calloc(bale->n_bundles + 1, sizeof(*bale->bundles));
		for (size_t i = 0; i < bale->n_bundles; i++)
			bale->bundles[i] = bale_bytes();
	}
	bale->weight = rand() % 2 ? (uint32_t)rand() : 0;
	if (depth && rand() % 2)
		bale->inner = bale_new(depth - 1);
	if (depth && rand() % 2) {
		bale->n_bales = (size_t)rand() % 3;
		bale->bales = calloc(bale->n_bales + 1, sizeof(*bale->bales));
		for (size_t i = 0; i < bale->n_bales; i++)
			bale->bales[i] = bale_new(depth - 1);
	}
	switch (rand() % 4) {
	case 0:
		bale->choice_case = IPC__TEST__BALE__CHOICE_CHOSEN_BYTES;
		bale->chosen_bytes = bale_bytes();
		break;
	case 1:
		bale->choice_case = IPC__TEST__BALE__CHOICE_CHOSEN_TEXT;
		bale->chosen_text = strdup("text");
		break;
	case 2:
		bale->choice_case = IPC__TEST__BALE__CHOICE_CHOSEN_BALE;
		bale->chosen_bale = bale_new(depth ? depth - 1 : 0);
		break;
	default:
		break;
	}
	if (rand() % 4 == 0) {
		bale->n_counts = (size_t)rand() % 200;
		bale->counts = calloc(bale->n_counts + 1, sizeof(*bale->counts));
	}
	return bale;
}

/* The caller frees the result. */
static inline uint8_t *bale_pack(const Ipc__Test__Bale *bale, size_t *ret_size)
{
	uint8_t *data;

	*ret_size = ipc__test__bale__get_packed_size(bale);
	data = malloc(*ret_size + 1);
	ck_assert_ptr_nonnull(data);
	ipc__test__bale__pack(bale, data);
	return data;
}

#endif /* IPC_TEST_BALE_H */
