/* SPDX-License-Identifier: MIT */
/*
 * The address sanitizer's interface, or nothing where it is not compiled in.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

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
