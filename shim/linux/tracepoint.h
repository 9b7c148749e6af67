/* SPDX-License-Identifier: MIT */
/* Tracepoints: functions without effect here. */
#pragma once

#include "../kernel.h"

#define TP_PROTO(...) (__VA_ARGS__)
#define TP_ARGS(...)
#define TRACE_EVENT(name, proto, ...) \
	static inline void trace_##name proto \
	{ \
	} \
	static inline bool trace_##name##_enabled(void) \
	{ \
		return false; \
	}
#define TRACE_EVENT_FN TRACE_EVENT
#define DECLARE_EVENT_CLASS(...)
#define DEFINE_EVENT_FN(template, ...) TRACE_EVENT(__VA_ARGS__)
