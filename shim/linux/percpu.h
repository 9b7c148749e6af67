/* SPDX-License-Identifier: MIT */
/* Counters of one CPU, which all threads share, so updates are atomic. */
#pragma once

#include "../kernel.h"

#define DECLARE_PER_CPU(type, name) extern __typeof__(type) name
#define DEFINE_PER_CPU(type, name) __typeof__(type) name
#define per_cpu(name, cpu) (*({ (void)(cpu); &(name); }))
#define this_cpu_inc(name) ((void)__atomic_fetch_add(&(name), 1, __ATOMIC_RELAXED))
