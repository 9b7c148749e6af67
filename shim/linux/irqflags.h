/* SPDX-License-Identifier: MIT */
/* Some versions of percpu.h rely on other headers to include this; it is empty here. */
#pragma once
