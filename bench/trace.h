/* SPDX-License-Identifier: MIT */
/*
 * The protocol between the traced program (measure.c) and the tracer inside QEMU (tracer.c): the
 * program calls into a page of return instructions at a fixed address, and the tracer notices that.
 * This needs no channel between guest and host, and costs the guest two instructions.
 */
#ifndef BENCH_TRACE_H
#define BENCH_TRACE_H

#define TRACE_PAGE	0x0badcafe0000UL

#define TRACE_ARM	(TRACE_PAGE + 0x00)	/* get ready; execution is slow afterwards */
#define TRACE_ROUND	(TRACE_PAGE + 0x10)	/* a round begins: record */
#define TRACE_STOP	(TRACE_PAGE + 0x20)	/* the last round has ended */

#endif /* BENCH_TRACE_H */
