# SPDX-License-Identifier: Apache-2.0
# Units go beneath the prefix (Debian's packages use --prefix=/usr); --with-systemdsystemunitdir moves them.
systemdsystemunit_DATA = %D%/inferd.service %D%/inferd.socket
inferdconfdir = $(sysconfdir)/inferd
dist_inferdconf_DATA = %D%/inferd.conf
EXTRA_DIST += %D%/inferd.service.in %D%/inferd.socket
CLEANFILES += %D%/inferd.service

%D%/inferd.service: %D%/inferd.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && sed -e 's|@bindir[@]|$(bindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g' \
		$(srcdir)/systemd/inferd.service.in >$@.tmp && mv $@.tmp $@
