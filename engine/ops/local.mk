# SPDX-License-Identifier: Apache-2.0
engine_libengine_a_SOURCES +=
