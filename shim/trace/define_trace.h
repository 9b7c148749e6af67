/* SPDX-License-Identifier: MIT */
/* Creates tracepoints from TRACE_EVENT(): empty here. */
