# SPDX-License-Identifier: Apache-2.0
# The option list of inferd.8 comes out of the daemon's own table.
man_MANS = %D%/inferd.8 %D%/inferctl.1
EXTRA_DIST += %D%/inferd.8.in %D%/inferctl.1
CLEANFILES += %D%/inferd.8 %D%/inferd.8.options %D%/inferd.8.train

%D%/inferd.8: %D%/inferd.8.in inferd$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && ./inferd$(EXEEXT) --help-man >$@.options && \
		./inferd$(EXEEXT) train --help-man >$@.train && \
		sed -e 's|@VERSION[@]|$(VERSION)|' -e '/^@OPTIONS[@]/{' -e 'r $@.options' -e 'd' -e '}' \
			-e '/^@TRAIN[@]/{' -e 'r $@.train' -e 'd' -e '}' \
		$(srcdir)/man/inferd.8.in >$@.tmp && mv $@.tmp $@ && rm -f $@.options $@.train
