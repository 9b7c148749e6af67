/* SPDX-License-Identifier: MIT */
/*
 * Interfaces of the sanitizers; empty if the build has no sanitizer.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The header declares functions that are macros below. */
#ifdef __SANITIZE_THREAD__
#define SHIM_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SHIM_TSAN 1
#endif
#endif

#ifdef SHIM_TSAN
#include <sanitizer/tsan_interface.h>
#else
#define __tsan_get_current_fiber() NULL
#define __tsan_create_fiber(flags) ((void)(flags), NULL)
#define __tsan_switch_to_fiber(fiber, flags) ((void)(fiber), (void)(flags))
#define __tsan_destroy_fiber(fiber) ((void)(fiber))
#endif

#ifdef __SANITIZE_ADDRESS__
#define SHIM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SHIM_ASAN 1
#endif
#endif

#ifdef SHIM_ASAN
#include <sanitizer/asan_interface.h>
void __asan_loadN(void *at, intptr_t size);
void __asan_storeN(void *at, intptr_t size);
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define __asan_loadN(at, size) ((void)(at), (void)(size))
#define __asan_storeN(at, size) ((void)(at), (void)(size))
#define __sanitizer_start_switch_fiber(save, bottom, size) \
	((void)(save), (void)(bottom), (void)(size))
#define __sanitizer_finish_switch_fiber(save, bottom, size) \
	((void)(save), (void)(bottom), (void)(size))
#endif
