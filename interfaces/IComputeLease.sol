// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ITelemetryOracle} from "interfaces/ITelemetryOracle.sol";

/// @title The lease of compute (ERC-721)
/// @notice One token is the right to `units` of a capacity for epochs [start, end) at a rent fixed
/// when signed. Whoever holds the token is the tenant; unclaimed credit goes with it.
/// @dev The tenant's rent waits in escrow here, is earned epoch by epoch as reports settle, and then
/// belongs to the capacity's payee. Settlement costs the same for one lease and for ten thousand.
interface IComputeLease {
    /// @notice What to lease and on which conditions.
    /// @param capacity The capacity.
    /// @param term Index of the capacity's term.
    /// @param units How many units, at least 1.
    /// @param start First epoch: not begun yet.
    /// @param end First epoch that is no longer leased.
    /// @param maxRent The most that the tenant agrees to pay per unit and epoch, in base units.
    /// @param tenant Who gets the lease; no receiver hook is called.
    struct LeaseRequest {
        uint256 capacity;
        uint256 term;
        uint256 units;
        uint256 start;
        uint256 end;
        uint256 maxRent;
        address tenant;
    }

    /// @notice A lease, one storage word.
    /// @param start First epoch.
    /// @param end First epoch that is no longer leased.
    /// @param fundedTo First epoch that is not paid for; `end`, since the whole term is paid at signing.
    /// @param creditedTo Credits of epochs below this have been claimed.
    /// @param units Units leased.
    /// @param term Index of the capacity's term it was signed under.
    /// @param rent Rent per unit and epoch, in base units.
    struct Lease {
        uint32 start;
        uint32 end;
        uint32 fundedTo;
        uint32 creditedTo;
        uint16 units;
        uint8 term;
        uint88 rent;
    }

    /// @param lease The new lease.
    /// @param capacity The capacity.
    /// @param tenant Its first holder.
    /// @param payer Who paid.
    /// @param conditions The lease as signed.
    /// @param paid Base units taken into escrow.
    event Leased(
        uint256 indexed lease,
        uint256 indexed capacity,
        address indexed tenant,
        address payer,
        Lease conditions,
        uint256 paid
    );
    /// @param capacity The capacity.
    /// @param epoch The epoch that is now settled.
    /// @param rent Rent of all its leases in that epoch, in base units.
    /// @param creditBps Share of it that goes back to the tenants.
    /// @param credit That share, in base units, rounded up.
    /// @param status How the attestors' word stood.
    /// @param uptimeBps From the report; 0 without one.
    /// @param loadBps From the report; 0 without one.
    /// @param energyWh From the report; 0 without one.
    event EpochSettled(
        uint256 indexed capacity,
        uint256 indexed epoch,
        uint256 rent,
        uint256 creditBps,
        uint256 credit,
        ITelemetryOracle.Status status,
        uint256 uptimeBps,
        uint256 loadBps,
        uint256 energyWh
    );
    /// @param capacity The capacity.
    /// @param epoch The epoch whose report is kept until its turn.
    /// @param uptimeBps From the report.
    /// @param loadBps From the report.
    /// @param energyWh From the report.
    event ReportRecorded(
        uint256 indexed capacity,
        uint256 indexed epoch,
        uint256 uptimeBps,
        uint256 loadBps,
        uint256 energyWh
    );
    /// @param capacity The capacity.
    /// @param from First idle epoch that was passed.
    /// @param to First epoch that was not passed.
    event IdleEpochsPassed(uint256 indexed capacity, uint256 from, uint256 to);
    /// @param capacity The capacity.
    /// @param payee Who got the rent.
    /// @param amount Base units moved.
    event Released(uint256 indexed capacity, address indexed payee, uint256 amount);
    /// @param lease The lease.
    /// @param receiver Who got the credit.
    /// @param creditedTo Credits of epochs below this are claimed now.
    /// @param amount Base units moved.
    event CreditClaimed(
        uint256 indexed lease,
        address indexed receiver,
        uint256 creditedTo,
        uint256 amount
    );

    /// @dev No lease has this id.
    error UnknownLease(uint256 lease);
    /// @dev `caller` does not hold `lease`, nor is approved for it.
    error NotTenant(uint256 lease, address caller);
    /// @dev The capacity takes no new leases.
    error CapacityClosed(uint256 capacity);
    /// @dev Units must be 1 … the capacity's own.
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
    /// @dev Reports are settled in order: `expected` is next.
    error NotNextEpoch(uint256 capacity, uint256 epoch, uint256 expected);
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
    /// @dev An address that must be set is zero, or the contract itself.
    error BadReceiver(address receiver);
    /// @dev More would leave than the tenants of the capacity ever paid in. Cannot happen.
    error Overdrawn(uint256 capacity, uint256 paidIn, uint256 paidOut);

    /// @notice Signs a lease and takes the rent of the whole term from the caller.
    /// @dev Safety rests on: the stablecoin moves exactly what it says. Liveness rests on nothing:
    /// every epoch can be settled by anyone, whatever the attestors and the operator do.
    /// @return leaseId capacity × 10^9 + a count from 1.
    function lease(LeaseRequest calldata request) external returns (uint256 leaseId);

    /// @notice Settles the next epoch of a capacity from its report. Anyone.
    /// @dev The credit is rounded up, so that tenants as a whole never lose a base unit.
    function settle(ITelemetryOracle.Report calldata report, bytes32[] calldata proof) external;

    /// @notice Keeps a report whose epoch's turn has not come, so that it never expires. Anyone.
    /// @dev While an earlier epoch is open, time to show later reports runs on: a report left out of
    /// one window must not cost those of the next.
    function record(ITelemetryOracle.Report calldata report, bytes32[] calldata proof) external;

    /// @notice Settles the next epoch without a report in hand: by the one that was recorded, or, once
    /// none can come, with full credit if the attestors spoke but nobody showed a report, else at the
    /// declared blackout credit. Anyone.
    function settleMissing(uint256 capacity) external;

    /// @notice Passes epochs in which nothing is leased, up to but not including `to`. Anyone.
    /// @dev Gas grows with (to − next) / 16; the caller chooses `to`.
    function passIdle(uint256 capacity, uint256 to) external;

    /// @notice Moves what is earned and not yet released to the capacity's payee. Anyone.
    /// @return amount Base units moved; 0 if there is nothing.
    function release(uint256 capacity) external returns (uint256 amount);

    /// @notice Pays the lease's credits of all settled epochs. Holder or approved only.
    /// @return amount Base units moved, rounded down; 0 if there is nothing.
    function claimCredit(uint256 leaseId, address receiver) external returns (uint256 amount);

    /// @notice The lease. Reverts with `UnknownLease`.
    function leaseOf(uint256 leaseId) external view returns (Lease memory);

    /// @notice The capacity that a lease is of: leaseId / 10^9.
    function capacityOf(uint256 leaseId) external pure returns (uint256);

    /// @notice What `lease` would charge now; reverts as it would, but for payment.
    /// @return rent Rent per unit and epoch.
    /// @return total Base units to pay at signing.
    function quote(
        LeaseRequest calldata request
    ) external view returns (uint256 rent, uint256 total);

    /// @notice What `claimCredit` would pay now.
    function creditOf(uint256 leaseId) external view returns (uint256);

    /// @notice Net rent ever earned by the payee of a capacity, released or not. Never falls.
    function earnedOf(uint256 capacity) external view returns (uint256);

    /// @notice Net rent ever earned, and how much of it has been released.
    function revenueOf(uint256 capacity) external view returns (uint256 earned, uint256 released);

    /// @notice The next epoch to settle, and the total rent of the one before it.
    function settledTo(uint256 capacity) external view returns (uint256 nextEpoch, uint256 rate);

    /// @notice What tenants of a capacity ever paid in, and what they got back as credits.
    function accountOf(
        uint256 capacity
    ) external view returns (uint256 leases, uint256 paidIn, uint256 creditsPaid);

    /// @notice Whether a report of an epoch still open is kept.
    function isRecorded(uint256 capacity, uint256 epoch) external view returns (bool);

    /// @notice Units leased in `epoch`.
    function unitsLeasedAt(uint256 capacity, uint256 epoch) external view returns (uint256);

    /// @notice The most units leased in any epoch of [from, to).
    function peakUnitsLeased(
        uint256 capacity,
        uint256 from,
        uint256 to
    ) external view returns (uint256);

    /// @notice Change of the capacity's total rent at `epoch`.
    function rentDeltaAt(uint256 capacity, uint256 epoch) external view returns (int256);

    /// @notice Sum of the credits, in bps, of all settled epochs below `epoch`.
    function creditSumBelow(uint256 capacity, uint256 epoch) external view returns (uint256);

    /// @notice The first epoch that has not begun: the earliest start of a new lease.
    function nextEpochToBegin(uint256 capacity) external view returns (uint256);
}
