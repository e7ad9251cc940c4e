/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pins of a grant entry (hypervisor/grant/entry.c) against a granter that takes its grant back as xen/grant_table.h says.
 * Two users map it, one to read and one to write, and unmap it; VERSION 1 keeps the in-use flags in the entry's word,
 * VERSION 2 in a status word of their own.  The active entry's lock is a flag; d_step is one atomic instruction.
 *
 * Shown: once the granter has its grant back, nobody uses the frame; while somebody does, the flags say so; a writer only
 * has it while the entry allowed writing; when all have let go, no flag is left.
 */
#ifndef VERSION
#define VERSION 1
#endif
#define TRIES 5 /* FLAG_TRIES */

bool permit, readonly;   /* the entry's word: type permit_access, GTF_readonly */
bool reading, writing;   /* in-use flags */
bool entry_lock;
byte pins_read, pins_write;
bool revoked;            /* the granter took it back and may use the frame for other things */
byte users_done;

/* set_flags_v1(): compare and exchange of the whole word */
inline set_flags_v1(write, ok)
{
    byte tries; bool p, r, rd, wr, over;

    tries = 0; over = false; ok = false;
    d_step { p = permit; r = readonly; rd = reading; wr = writing };
    do
    :: over || tries >= TRIES -> break
    :: else ->
        if
        :: (write && r) || (pins_read + pins_write == 0 && !p) -> over = true
        :: else ->
            d_step {
                if
                :: permit == p && readonly == r && reading == rd && writing == wr ->
                    reading = true; writing = wr || write; ok = true; over = true
                :: else -> p = permit; r = readonly; rd = reading; wr = writing; tries++
                fi
            }
        fi
    od
}

/* set_flags_v2(): set, then look again */
inline set_flags_v2(write, ok)
{
    bool p, r;

    d_step { p = permit; r = readonly };
    ok = !((write && r) || (pins_read + pins_write == 0 && !p));
    if
    :: ok ->
        d_step { reading = true; writing = writing || write };
        d_step { p = permit; r = readonly };
        ok = !((write && r) || (pins_read + pins_write == 0 && !p));
        if
        :: !ok ->
            d_step {
                writing = false;
                if
                :: pins_read + pins_write == 0 -> reading = false
                :: else
                fi
            }
        :: else
        fi
    :: else
    fi
}

proctype user(bool write)
{
    bool ok;
    byte n;

    do
    :: n < 2 ->
        n++;
        atomic { !entry_lock -> entry_lock = true };
        ok = true;
        if
        :: pins_read + pins_write == 0 || (write && pins_write == 0) ->
#if VERSION == 1
            set_flags_v1(write, ok)
#else
            set_flags_v2(write, ok)
#endif
        :: else
        fi;
        if
        :: ok && write -> pins_write++
        :: ok && !write -> pins_read++
        :: else
        fi;
        entry_lock = false;
        if
        :: ok ->
            assert(!revoked); /* the frame is used here */
            assert(reading && (!write || writing));
            atomic { !entry_lock -> entry_lock = true };
            if
            :: write -> pins_write--
            :: else -> pins_read--
            fi;
            d_step { /* reduce_flags(): one clearing of both bits */
                writing = writing && pins_write > 0;
                reading = reading && pins_read + pins_write > 0
            };
            entry_lock = false
        :: else
        fi
    :: else -> break
    od;
    users_done++
}

/* Makes it read-only first, where it may; then takes it back when nobody uses it. */
proctype granter()
{
    bool p, rd, wr;

    do
    :: d_step { rd = reading; wr = writing; p = permit };
#if VERSION == 1
       if
       :: !rd && !wr ->
           d_step {
               if
               :: reading == rd && writing == wr && permit == p -> permit = false; revoked = true
               :: else
               fi
           }
       :: rd && !wr -> /* gnttab_end_foreign_access to writers only */
           d_step {
               if
               :: reading == rd && writing == wr && permit == p -> readonly = true
               :: else
               fi
           }
       :: else
       fi
#else
       permit = false;
       d_step { rd = reading; wr = writing };
       if
       :: !rd && !wr -> revoked = true
       :: else
       fi
#endif
       if
       :: revoked -> break
       :: else
       fi
    od
}

init
{
    permit = true;
    atomic { run user(false); run user(true); run granter() };
    users_done == 2 && revoked;
    assert(pins_read == 0 && pins_write == 0);
    assert(!reading && !writing)
}
