/* SPDX-License-Identifier: MIT */
/* What makes tracepoints of TRACE_EVENT(): nothing to do here. */
