/* SPDX-License-Identifier: MIT */
/*
 * protoc-c makes the header of every file that imports ipc/options.proto
 * include this one. The options are read by protoc-gen-ipc while it generates
 * and have no run-time part, so there is nothing to declare. It is written by
 * hand because protoc-c's own would include google/protobuf/descriptor.pb-c.h,
 * which no package provides.
 */
#ifndef IPC_OPTIONS_PB_C_H
#define IPC_OPTIONS_PB_C_H

#endif /* IPC_OPTIONS_PB_C_H */
