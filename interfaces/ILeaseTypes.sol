// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {IServiceBond} from "interfaces/IServiceBond.sol";
import {ITelemetryOracle} from "interfaces/ITelemetryOracle.sol";

/// @title Structs, events and errors of the lease engine
/// @notice Of ComputeLease and of its modules LeaseEdits and LeaseSettlement, which run as part of it.
interface ILeaseTypes {
    /// @notice What to lease and on which conditions.
    /// @param capacity The capacity.
    /// @param tenant Who gets the lease; no receiver hook is called.
    /// @param term Index of the capacity's term.
    /// @param units How many units, at least 1.
    /// @param start First epoch: not begun yet.
    /// @param end First epoch that is no longer leased.
    /// @param maxRent The most that the tenant agrees to pay per unit and epoch, in base units.
    struct LeaseRequest {
        uint256 capacity;
        address tenant;
        uint256 term;
        uint256 units;
        uint256 start;
        uint256 end;
        uint256 maxRent;
    }

    /// @notice A lease, one storage word.
    /// @param start First epoch.
    /// @param end First epoch that is no longer leased.
    /// @param fundedTo First epoch that is not paid for, at most `end`.
    /// @param creditedTo Credits of epochs below this have been claimed; `start` … `fundedTo`.
    /// @param units Units leased.
    /// @param term Index of the capacity's term it was signed under.
    /// @param depositEpochs The last epochs of the term, which the deposit pays; it is held while
    /// fundedTo < end.
    /// @param rent Rent per unit and epoch, in base units.
    struct Lease {
        uint32 start;
        uint32 end;
        uint32 fundedTo;
        uint32 creditedTo;
        uint16 units;
        uint8 term;
        uint16 depositEpochs;
        uint88 rent;
    }

    /// @notice An EIP-2612 signature of the caller, for this contract as spender.
    struct Permit {
        uint256 value;
        uint256 deadline;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    /// @notice What ending a lease moves. Epochs; times rent and units they are base units.
    /// @param end The lease's new end.
    /// @param due Epochs that the tenant still has to pay.
    /// @param refunded Epochs paid, not due any more, and given back.
    /// @param forfeited Epochs of the deposit that go to the payee.
    struct Settlement {
        uint256 end;
        uint256 due;
        uint256 refunded;
        uint256 forfeited;
    }

    /// @notice Why a lease ended before its end.
    /// @param TERMINATED The tenant gave notice.
    /// @param EXITED The tenant left for cause: the service was bad.
    /// @param PREEMPTED The deed owner took a spot lease back.
    /// @param EVICTED A dearer lease took a spot lease's place.
    /// @param LAPSED The tenant did not pay on.
    enum Ending {
        TERMINATED,
        EXITED,
        PREEMPTED,
        EVICTED,
        LAPSED
    }

    /// @notice Last reading and moving averages of a capacity, one storage word. An epoch whose report
    /// nobody showed counts as one in which nothing ran.
    /// @dev new = old + (reading − old) / 30, rounded down, from the first reading on.
    /// @param reportedTo The epoch after that of the last reading; 0 if there is none.
    /// @param uptimeBps Last reading.
    /// @param loadBps Last reading.
    /// @param energyWh Last reading, of the whole capacity.
    /// @param meanUptime Average uptime, in 1/1024 bps.
    /// @param meanLoad Average load, in 1/1024 bps.
    /// @param meanEnergy Average energy of one of its units in an epoch, in 1/64 Wh.
    /// @param lifetimeWh All energy ever reported; stops at 2^64 − 1.
    struct Performance {
        uint24 reportedTo;
        uint16 uptimeBps;
        uint16 loadBps;
        uint48 energyWh;
        uint24 meanUptime;
        uint24 meanLoad;
        uint40 meanEnergy;
        uint64 lifetimeWh;
    }

    /// @notice How the penalty of an epoch stands.
    /// @param NONE There is none.
    /// @param UNSHOWN Nobody showed the epoch's report in time: one can be added for a while.
    /// @param RESERVED Set aside from the bond.
    /// @param FREED What was not claimed has gone back to the bond.
    enum PenaltyState {
        NONE,
        UNSHOWN,
        RESERVED,
        FREED
    }

    /// @notice The penalty of an epoch, one storage word.
    /// @param perUnit What each leased unit can claim, in base units: what was set aside, by the units,
    /// rounded down.
    /// @param units Units leased in the epoch.
    /// @param state How it stands.
    struct Penalty {
        uint128 perUnit;
        uint16 units;
        PenaltyState state;
    }

    /// @param lease The new lease.
    /// @param capacity The capacity.
    /// @param tenant Its first holder.
    /// @param payer Who paid.
    /// @param conditions The lease as signed.
    /// @param paid Base units taken into escrow, the deposit included.
    event Leased(
        uint256 indexed lease,
        uint256 indexed capacity,
        address indexed tenant,
        address payer,
        Lease conditions,
        uint256 paid
    );
    /// @param lease The lease.
    /// @param payer Who paid.
    /// @param fundedTo First epoch that is not paid for now; the lease's end once only the epochs of
    /// the deposit were left.
    /// @param paid Base units taken into escrow.
    event ToppedUp(uint256 indexed lease, address indexed payer, uint256 fundedTo, uint256 paid);
    /// @param lease The lease. Its `end` and `fundedTo` are `end` now, its deposit is gone; where
    /// that is its `start`, the token is burned.
    /// @param ending Why.
    /// @param end Its new end.
    /// @param collected Base units that the tenant still had to pay, from the caller.
    /// @param refunded Base units credited to the holder's refund.
    /// @param forfeited Base units of the deposit that went to the payee or, as the bounty for a
    /// lapse, to the caller.
    event LeaseEnded(
        uint256 indexed lease,
        Ending indexed ending,
        uint256 end,
        uint256 collected,
        uint256 refunded,
        uint256 forfeited
    );
    /// @param lease The lease, which keeps its id.
    /// @param part The lease split off it.
    /// @param kept What `lease` is now.
    /// @param split What `part` is.
    event LeaseSplit(uint256 indexed lease, uint256 indexed part, Lease kept, Lease split);
    /// @param lease The lease, which keeps its id.
    /// @param part The lease that is burned.
    /// @param merged What `lease` is now.
    event LeasesMerged(uint256 indexed lease, uint256 indexed part, Lease merged);
    /// @param stablecoin The token.
    /// @param account Whose refund grew.
    /// @param amount By how many base units.
    event RefundCredited(address indexed stablecoin, address indexed account, uint256 amount);
    /// @param stablecoin The token.
    /// @param account Whose refund was paid.
    /// @param receiver To whom.
    /// @param amount Base units moved.
    event RefundWithdrawn(
        address indexed stablecoin,
        address indexed account,
        address indexed receiver,
        uint256 amount
    );
    /// @param capacity The capacity.
    /// @param epoch The epoch that is now settled.
    /// @param earned What the payee earned: the rent of all its leases in that epoch, less the credit of
    /// `EpochCredited`, in base units.
    /// @param uptimeBps From the report; 0 without one.
    /// @param loadBps From the report; 0 without one.
    /// @param energyWh From the report; 0 without one.
    event EpochSettled(
        uint256 indexed capacity,
        uint256 epoch,
        uint256 earned,
        uint256 uptimeBps,
        uint256 loadBps,
        uint256 energyWh
    );
    /// @notice An epoch that is settled now has credits.
    /// @param capacity The capacity.
    /// @param epoch The epoch.
    /// @param creditBps Share of its rent that goes back to the tenants.
    /// @param credit That share of all its leases' rent, in base units, rounded up.
    event EpochCredited(
        uint256 indexed capacity,
        uint256 indexed epoch,
        uint256 creditBps,
        uint256 credit
    );
    /// @notice An epoch is settled without a report.
    /// @param capacity The capacity.
    /// @param epoch The epoch.
    /// @param status MISSING or BLACKOUT.
    event EpochUnreported(
        uint256 indexed capacity,
        uint256 indexed epoch,
        ITelemetryOracle.Status status
    );
    /// @param capacity The capacity.
    /// @param epoch The epoch whose report is kept until its turn.
    /// @param uptimeBps From the report.
    /// @param loadBps From the report.
    /// @param energyWh From the report.
    /// @param curtailed From the report.
    event ReportRecorded(
        uint256 indexed capacity,
        uint256 indexed epoch,
        uint256 uptimeBps,
        uint256 loadBps,
        uint256 energyWh,
        bool curtailed
    );
    /// @param capacity The capacity.
    /// @param epoch The epoch that was given to the grid, within what was declared.
    /// @param month The 30 days that it counts for.
    /// @param used Such epochs of these 30 days, this one included.
    event Curtailed(uint256 indexed capacity, uint256 indexed epoch, uint256 month, uint256 used);
    /// @param capacity The capacity.
    /// @param epoch The epoch that was settled for want of a report, and is in penalty now that one came.
    /// @param uptimeBps From the report.
    event PenaltyAdded(uint256 indexed capacity, uint256 indexed epoch, uint256 uptimeBps);
    /// @param capacity The capacity.
    /// @param epoch The epoch in penalty.
    /// @param units Units leased in it.
    /// @param wanted Base units that the penalty comes to.
    /// @param reserved Base units that the bond had for it.
    event PenaltyReserved(
        uint256 indexed capacity,
        uint256 indexed epoch,
        uint256 units,
        uint256 wanted,
        uint256 reserved
    );
    /// @param lease The lease.
    /// @param epoch The epoch in penalty.
    /// @param receiver Who got it.
    /// @param amount Base units, from the bond.
    event PenaltyClaimed(
        uint256 indexed lease,
        uint256 indexed epoch,
        address indexed receiver,
        uint256 amount
    );
    /// @param capacity The capacity.
    /// @param epoch The epoch in penalty.
    /// @param amount Base units that went back to the bond.
    event PenaltyFreed(uint256 indexed capacity, uint256 indexed epoch, uint256 amount);
    /// @param capacity The capacity.
    /// @param leasedTo No epoch from this one on is leased.
    event Trimmed(uint256 indexed capacity, uint256 leasedTo);
    /// @param capacity The capacity.
    /// @param from First idle epoch that was passed.
    /// @param to First epoch that was not passed.
    event IdleEpochsPassed(uint256 indexed capacity, uint256 from, uint256 to);
    /// @param capacity The capacity.
    /// @param payee Who got the rent.
    /// @param amount Base units moved.
    event Released(uint256 indexed capacity, address indexed payee, uint256 amount);
    /// @param lease The lease.
    /// @param receiver Who got the credit: by transfer, or this contract itself where a split or a
    /// merger put it into the holder's refund.
    /// @param creditedTo Credits of epochs below this are claimed now.
    /// @param amount Base units.
    event CreditClaimed(
        uint256 indexed lease,
        address indexed receiver,
        uint256 creditedTo,
        uint256 amount
    );
    /// @notice ERC-4907: who may use the lease, and until when.
    event UpdateUser(uint256 indexed tokenId, address indexed user, uint64 expires);
    /// @notice ERC-4906: the token's metadata changed otherwise than with time and settlement.
    event MetadataUpdate(uint256 _tokenId);

    /// @dev No lease has this id.
    error UnknownLease(uint256 lease);
    /// @dev `caller` does not hold `lease`, nor is approved for it.
    error NotTenant(uint256 lease, address caller);
    /// @dev `caller` does not own the deed of the lease's capacity.
    error NotDeedOwner(uint256 capacity, address caller);
    /// @dev The capacity takes no new leases.
    error CapacityClosed(uint256 capacity);
    /// @dev Units must be 1 … those attested; when splitting, fewer than the lease's.
    error BadUnits(uint256 units, uint256 max);
    /// @dev `start` must be an epoch that has not begun; the next such is `earliest`.
    error StartPassed(uint256 start, uint256 earliest);
    /// @dev A lease must end after it starts, within the capacity's lifetime.
    error BadRange(uint256 start, uint256 end, uint256 lifetime);
    /// @dev The term allows `min` … `max` epochs.
    error LengthOutsideTerm(uint256 length, uint256 min, uint256 max);
    /// @dev The rent per unit and epoch is above what the tenant agreed to.
    error RentAboveMax(uint256 rent, uint256 maxRent);
    /// @dev In at least one epoch of [start, end) fewer units are free than asked for.
    error NotEnoughUnits(uint256 asked, uint256 free);
    /// @dev The lease can be funded for 1 … `max` epochs more.
    error BadTopUp(uint256 lease, uint256 epochs, uint256 max);
    /// @dev The lease was not paid on at `fundedTo`; `lapse` closes it.
    error LeaseLapsed(uint256 lease, uint256 fundedTo);
    /// @dev The lease is paid for epochs that have not all begun: it can still be topped up.
    error NotLapsed(uint256 lease, uint256 fundedTo);
    /// @dev The lease ends at `end` anyway; ending it now changes nothing.
    error LeaseOver(uint256 lease, uint256 end);
    /// @dev Its credits over its last ten settled epochs sum to `creditBps`, less than 50,000.
    error NoCause(uint256 lease, uint256 creditBps);
    /// @dev The lease was not signed under a preemptible term.
    error NotPreemptible(uint256 lease);
    /// @dev The rent per unit is not 5 % above the victim's: at least `min` is needed.
    error BidTooLow(uint256 victim, uint256 rent, uint256 min);
    /// @dev The lease is of another capacity.
    error OtherCapacity(uint256 lease, uint256 capacity);
    /// @dev A lease can be split at an epoch `min` … `max`.
    error BadSplit(uint256 lease, uint256 epoch, uint256 min, uint256 max);
    /// @dev The two leases do not fit together.
    error NotMergeable(uint256 lease, uint256 part);
    /// @dev `user` may use the lease until `expires`, and only he can give that up before.
    error UserHolds(uint256 lease, address user, uint256 expires);
    /// @dev `caller` is not the one who may use the lease.
    error NotUser(uint256 lease, address caller);
    /// @dev The grant would end before it begins.
    error BadExpiry(uint256 expires);
    /// @dev The lease is not as its buyer expects.
    error StateChanged(uint256 lease, bytes32 state, bytes32 expected);
    /// @dev Reports are settled in order: `expected` is next.
    error NotNextEpoch(uint256 capacity, uint256 epoch, uint256 expected);
    /// @dev The newest settled epoch is in penalty: no new leases until a better one is settled.
    error InPenalty(uint256 capacity);
    /// @dev No root stands for the window, so no report can be shown.
    error NoRoot(uint256 setId, uint256 window);
    /// @dev The guardian can veto the root until `finalAt`.
    error RootNotFinal(uint256 setId, uint256 window, uint256 finalAt);
    /// @dev The time to show reports of the window ended at `deadline`.
    error RevealClosed(uint256 setId, uint256 window, uint256 deadline);
    /// @dev The report is not in the tree of the window's root.
    error NotInRoot(uint256 setId, uint256 window, bytes32 leaf);
    /// @dev The reports, with their proof, do not make the root of the window.
    error NotAllInRoot(uint256 setId, uint256 window);
    /// @dev The report is of another set or window than the first.
    error OtherWindow(uint256 index, uint256 setId, uint256 window);
    /// @dev A share above 10,000 bps, energy of 2^48 Wh or more, or a `curtailed` that is neither 0 nor 1,
    /// whoever signed it.
    error ReportOutOfRange(bytes32 field, uint256 value);
    /// @dev The epoch was not settled for want of a report, or has its penalty already.
    error NotUnshown(uint256 capacity, uint256 epoch, PenaltyState state);
    /// @dev A penalty could be added until `deadline`.
    error PenaltyTooLate(uint256 capacity, uint256 epoch, uint256 deadline);
    /// @dev The report shows nothing to be punished.
    error NoPenalty(uint256 capacity, uint256 epoch);
    /// @dev The lease has nothing to claim for that epoch: not its epoch, no penalty, or claimed.
    error NothingToClaim(uint256 lease, uint256 epoch);
    /// @dev The window's penalties wait, or were waived; see ITelemetryOracle.
    error PenaltyNotClaimable(
        uint256 capacity,
        uint256 epoch,
        ITelemetryOracle.Penalties state,
        uint256 heldUntil
    );
    /// @dev The penalty was not waived, and can be claimed until `claimableUntil`.
    error StillClaimable(uint256 capacity, uint256 epoch, uint256 claimableUntil);
    /// @dev `to` must lie below `leasedTo`, and nothing in between be leased: `used` is the first that is.
    error NotTrimmable(uint256 capacity, uint256 to, uint256 leasedTo, uint256 used);
    /// @dev A report of this epoch is kept already.
    error AlreadyRecorded(uint256 capacity, uint256 epoch);
    /// @dev The epoch ends at `endsAt`.
    error EpochNotEnded(uint256 capacity, uint256 epoch, uint256 endsAt);
    /// @dev All epochs of the capacity are settled.
    error LifetimeSettled(uint256 capacity);
    /// @dev The attestors can still report the epoch, or a report can still be shown.
    error ReportStillPossible(uint256 capacity, uint256 epoch, ITelemetryOracle.Status status);
    /// @dev The epoch is leased, so it must be settled, not passed.
    error EpochNotIdle(uint256 capacity, uint256 epoch);
    /// @dev The capacity has had 10^9 − 1 leases.
    error TooManyLeases(uint256 capacity);
    /// @dev The deeds look attestor sets up in another oracle, `known`.
    error ForeignOracle(address telemetry, address known);
    /// @dev The module was made for other deeds or another oracle.
    error ForeignModule(address module);
    /// @dev An address that must be set is zero, or the contract itself.
    error BadReceiver(address receiver);
    /// @dev More would leave than the tenants of the capacity ever paid in. Cannot happen.
    error Overdrawn(uint256 capacity, uint256 paidIn, uint256 paidOut);

    /// @notice Deeds, prices and terms.
    function CAPACITY() external view returns (IComputeCapacity);

    /// @notice What the attestors say.
    function TELEMETRY() external view returns (ITelemetryOracle);

    /// @notice What penalties are paid from.
    function BOND() external view returns (IServiceBond);
}
