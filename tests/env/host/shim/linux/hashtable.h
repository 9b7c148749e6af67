/* SPDX-License-Identifier: MIT */
/* Hash tables of a fixed size, by integer. */
#pragma once

#include "list.h"

#define DECLARE_HASHTABLE(name, bits) struct hlist_head name[1 << (bits)]
#define HASH_SIZE(table) ARRAY_SIZE(table)
#define hash_init(table) memset(table, 0, sizeof(table))
#define hash_bucket(table, key) \
	(&(table)[((u64)(key) * 0x61c8864680b583ebULL) >> (64 - __builtin_ctz(ARRAY_SIZE(table)))])
#define hash_add(table, node, key) hlist_add_head(node, hash_bucket(table, key))
#define hash_del(node) hlist_del_init(node)
#define hash_for_each_possible(table, obj, member, key) \
	hlist_for_each_entry(obj, hash_bucket(table, key), member)
#define hash_for_each_safe(table, bkt, tmp, obj, member)                          \
	for ((bkt) = 0, obj = NULL; !obj && (bkt) < (int)ARRAY_SIZE(table); (bkt)++) \
		hlist_for_each_entry_safe(obj, tmp, &(table)[bkt], member)
#define hash_for_each(table, bkt, obj, member)                                    \
	for ((bkt) = 0, obj = NULL; !obj && (bkt) < (int)ARRAY_SIZE(table); (bkt)++) \
		hlist_for_each_entry(obj, &(table)[bkt], member)
