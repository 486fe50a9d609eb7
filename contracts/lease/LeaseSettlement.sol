// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {CallContextChecker} from "solady/utils/CallContextChecker.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {ILeaseSettlement} from "interfaces/ILeaseSettlement.sol";
import {IServiceBond} from "interfaces/IServiceBond.sol";
import {ITelemetryOracle} from "interfaces/ITelemetryOracle.sol";
import {ReportLeaf} from "../libraries/ReportLeaf.sol";
import {SlaSchedule} from "../libraries/SlaSchedule.sol";
import {Calendar} from "./Calendar.sol";
import {LeaseBook} from "./LeaseBook.sol";
import {Ledger} from "./Ledger.sol";
import {Level, levelOf} from "./Level.sol";
import {Reading, readingOf, unread} from "./Reading.sol";
import {Settling} from "./Settling.sol";

/// @title The part of the lease engine that settles batches, and what is not plainly healthy
/// @notice See ILeaseSettlement for the whole documentation. ComputeLease runs this code by
/// delegatecall, on its own storage; called directly, it refuses.
contract LeaseSettlement is ILeaseSettlement, Settling, CallContextChecker {
    using Calendar for mapping(uint256 word => uint256 lanes);
    using FixedPointMathLib for uint256;
    using SafeCastLib for uint256;

    /// @dev Curtailment is allowed per so many seconds since `origin`.
    uint256 internal constant MONTH = 30 days;
    /// @dev After the end of an epoch in penalty, what nobody claimed may go back to the bond.
    uint256 internal constant CLAIM_PERIOD = 365 days;

    /// @param capacity As in the engine that runs this.
    /// @param telemetry As in the engine that runs this.
    /// @param bond As in the engine that runs this.
    constructor(
        IComputeCapacity capacity,
        ITelemetryOracle telemetry,
        IServiceBond bond
    ) LeaseBook(capacity, telemetry, bond) {}

    // ------------------------------------------------------------------ settling

    /// @inheritdoc ILeaseSettlement
    function settle(
        ITelemetryOracle.Report calldata report,
        bytes32[] calldata proof
    ) external onlyProxy {
        (uint256 capacity, uint256 reported) = ReportLeaf.subject(report);
        Service storage service = _services[capacity];
        Level level = _known(service, capacity);
        Ledger ledger = service.ledger;
        (uint256 epoch, uint256 endsAt) = _nextEnded(capacity, level, ledger);
        require(reported == epoch, NotNextEpoch(capacity, reported, epoch));
        Reading reading = readingOf(report, epoch);
        _requireShown(level, level.windowOf(endsAt), report, proof);

        _closeReported(service, level, ledger, capacity, reading);
    }

    /// @inheritdoc ILeaseSettlement
    function settleMany(
        bytes32 root,
        ITelemetryOracle.Report[] calldata reports,
        bytes32[] calldata proof,
        bool[] calldata proofFlags
    ) external onlyProxy {
        if (reports.length == 0) return;
        (uint256 capacity, uint256 epoch) = ReportLeaf.subject(reports[0]);
        Level level = _known(_services[capacity], capacity);
        uint256 windowId = _windowIdOf(level, epoch);
        uint256 window = uint64(windowId);
        require(
            bytes27(root) == _openRoot(level, window) &&
                ReportLeaf.areAllIn(root, reports, proof, proofFlags),
            NotAllInRoot(level.attestorSetOf(), window)
        );

        for (uint256 i; i < reports.length; ++i) {
            _settleOne(ReportLeaf.at(reports, i), i, windowId);
        }
    }

    /// @dev The report at an index of those proved, which must be of this set and window: closes its
    /// epoch, or is kept until its turn.
    function _settleOne(
        ITelemetryOracle.Report calldata report,
        uint256 index,
        uint256 windowId
    ) internal {
        (uint256 capacity, uint256 epoch) = ReportLeaf.subject(report);
        Service storage service = _services[capacity];
        Level level = service.level;
        if (!level.isKnown()) level = _learn(service, capacity);
        uint256 ownId = _windowIdOf(level, epoch);
        require(ownId == windowId, OtherWindow(index, level.attestorSetOf(), uint64(ownId)));
        Reading reading = readingOf(report, epoch);

        Ledger ledger = service.ledger;
        uint256 next = ledger.nextEpochOf();
        if (epoch == next) _closeReported(service, level, ledger, capacity, reading);
        else if (epoch > next && _records[capacity][epoch].isNone()) _record(capacity, reading);
    }

    /// @inheritdoc ILeaseSettlement
    function record(
        ITelemetryOracle.Report calldata report,
        bytes32[] calldata proof
    ) external onlyProxy {
        // Check
        (uint256 capacity, uint256 epoch) = ReportLeaf.subject(report);
        Service storage service = _services[capacity];
        Level level = _known(service, capacity);
        uint256 next = service.ledger.nextEpochOf();
        require(epoch >= next, NotNextEpoch(capacity, epoch, next));
        uint256 window = uint64(_windowIdOf(level, epoch));
        require(_records[capacity][epoch].isNone(), AlreadyRecorded(capacity, epoch));
        _endedAt(capacity, level, epoch);
        Reading reading = readingOf(report, epoch);
        _requireShown(level, window, report, proof);

        // Effect
        _record(capacity, reading);
    }

    function _record(uint256 capacity, Reading reading) internal {
        uint256 epoch = reading.epochOf();
        _records[capacity][epoch] = reading;
        emit ReportRecorded(
            capacity,
            epoch,
            reading.uptimeOf(),
            reading.loadOf(),
            reading.energyOf(),
            reading.isCurtailed()
        );
    }

    /// @inheritdoc ILeaseSettlement
    function settleMissing(uint256 capacity) external onlyProxy {
        Service storage service = _services[capacity];
        Level level = _known(service, capacity);
        Ledger ledger = service.ledger;
        (uint256 epoch, uint256 endsAt) = _nextEnded(capacity, level, ledger);
        Reading reading = _records[capacity][epoch];
        if (!reading.isNone()) return _closeReported(service, level, ledger, capacity, reading);

        reading = unread(epoch);
        ITelemetryOracle.Status status = TELEMETRY.statusOf(level.attestorSetOf(), endsAt);
        if (status == ITelemetryOracle.Status.MISSING) {
            // No proof, no pay; and what was not shown counts as what it may hide.
            _penalties[capacity][epoch].state = PenaltyState.UNSHOWN;
            _read(service, level, reading);
            _close(service, ledger, capacity, reading, BPS, false);
        } else {
            require(
                status == ITelemetryOracle.Status.BLACKOUT,
                ReportStillPossible(capacity, epoch, status)
            );
            // Tenants do not gain from an outage of the attestors.
            uint256 bps = CAPACITY.serviceFaultsOf(capacity).blackoutCreditBps;
            _close(service, ledger, capacity, reading, bps, false);
        }
        emit EpochUnreported(capacity, epoch, status);
    }

    /// @inheritdoc ILeaseSettlement
    function passIdle(uint256 capacity, uint256 to) external onlyProxy {
        // Check
        Service storage service = _services[capacity];
        Level level = _known(service, capacity);
        Ledger ledger = service.ledger;
        uint256 from = ledger.nextEpochOf();
        if (to <= from) return;
        _requireWithin(level, from, to);
        _endedAt(capacity, level, to - 1);
        uint256 used = _calendars[capacity].firstUsed(from, to);
        require(used == to, EpochNotIdle(capacity, used));

        // Effect. Nothing leased, nothing owed: every rent that was running has ended by `from`.
        if (ledger.isInPenalty()) _intakes[capacity].barred = false;
        service.ledger = ledger.passedTo(to);
        emit IdleEpochsPassed(capacity, from, to);
    }

    /// @dev The capacity's service level, copied from the deeds once.
    function _known(Service storage service, uint256 capacity) internal returns (Level level) {
        level = service.level;
        if (!level.isKnown()) level = _learn(service, capacity);
    }

    function _learn(Service storage service, uint256 capacity) internal returns (Level level) {
        level = levelOf(CAPACITY.serviceLevelOf(capacity));
        service.level = level;
    }

    function _requireWithin(Level level, uint256 from, uint256 to) internal pure {
        require(to <= level.lifetimeOf(), BadRange(from, to, level.lifetimeOf()));
    }

    /// @dev See Level; the epoch must be one of the capacity's.
    function _windowIdOf(Level level, uint256 epoch) internal pure returns (uint256) {
        if (epoch >= level.lifetimeOf())
            revert BadRange(epoch, epoch.saturatingAdd(1), level.lifetimeOf());
        return level.windowIdOf(epoch);
    }

    // ------------------------------------------------------------------ closing an epoch

    /// @dev Closes the epoch that is next by its report, which has been proved. Nothing called from here
    /// can come back and move the ledger meanwhile: deeds and oracle are read, and the bond calls nobody.
    function _closeReported(
        Service storage service,
        Level level,
        Ledger ledger,
        uint256 capacity,
        Reading reading
    ) internal {
        _read(service, level, reading);
        uint256 creditBps;
        bool inPenalty;
        if (!reading.isHealthy(level.healthyBpsOf())) {
            (creditBps, inPenalty) = _faultOf(capacity, level, reading);
        }
        _close(service, ledger, capacity, reading, creditBps, inPenalty);
    }

    /// @dev What a service that was not full gives back to the tenants, and whether it is a penalty, which
    /// is set aside here.
    function _faultOf(
        uint256 capacity,
        Level level,
        Reading reading
    ) internal returns (uint256 creditBps, bool inPenalty) {
        (uint256 epoch, uint256 uptimeBps) = (reading.epochOf(), reading.uptimeOf());
        IComputeCapacity.ServiceFaults memory faults = CAPACITY.serviceFaultsOf(capacity);
        if (reading.isCurtailed() && _curtail(capacity, epoch, level, faults.curtailmentEpochs)) {
            return (faults.curtailmentCreditBps, false);
        }
        inPenalty = uptimeBps < faults.penaltyBelowBps;
        if (inPenalty) _punish(capacity, epoch, level, faults.penaltyPerUnit);
        creditBps = SlaSchedule.creditFor(faults.tiers, uptimeBps);
    }

    /// @dev Closes the epoch for all leases of the capacity at once. No token moves.
    function _close(
        Service storage service,
        Ledger ledger,
        uint256 capacity,
        Reading reading,
        uint256 creditBps,
        bool inPenalty
    ) internal {
        uint256 epoch = reading.epochOf();
        uint256 rent = _rentAt(service, epoch, ledger);
        uint256 earned = rent;
        if (creditBps != 0) earned -= _credit(capacity, epoch, creditBps, rent);
        _emitSettled(capacity, earned, reading);
        // New leases are barred while the newest settled epoch is in penalty.
        if (ledger.isInPenalty() != inPenalty) _intakes[capacity].barred = inPenalty;
        service.ledger = ledger.closed(rent, earned, inPenalty);
    }

    /// @dev Gives back a share of an epoch's rent, which may be none.
    function _credit(
        uint256 capacity,
        uint256 epoch,
        uint256 bps,
        uint256 rent
    ) internal returns (uint256 creditUp) {
        if (rent == 0) return 0;
        creditUp = rent.mulDivUp(bps, BPS);
        _creditSums[capacity].add(epoch, bps);
        emit EpochCredited(capacity, epoch, bps, creditUp);
    }

    /// @dev Whether the epoch is one of those that the operator may give to the grid.
    function _curtail(
        uint256 capacity,
        uint256 epoch,
        Level level,
        uint256 allowed
    ) internal returns (bool) {
        uint256 month = _monthOf(level, epoch);
        uint256 used = _curtailments[capacity][month] + 1;
        if (used > allowed) return false;
        _curtailments[capacity][month] = used;
        emit Curtailed(capacity, epoch, month, used);
        return true;
    }

    function _monthOf(Level level, uint256 epoch) internal pure returns (uint256) {
        return (epoch * level.epochLengthOf()) / MONTH;
    }

    // ------------------------------------------------------------------ penalties

    /// @dev Sets the epoch's penalty aside from the bond, unless it was waived before.
    function _punish(uint256 capacity, uint256 epoch, Level level, uint256 perUnit) internal {
        uint256 units = _calendars[capacity].at(epoch);
        (ITelemetryOracle.Penalties state, ) = _penaltiesAt(level, epoch);
        if (units == 0 || state == ITelemetryOracle.Penalties.WAIVED) return;
        uint256 wanted = perUnit * units;
        uint256 reserved = BOND.reserve(capacity, epoch, wanted);
        _penalties[capacity][epoch] = Penalty({
            perUnit: uint128(reserved / units), // at most perUnit, below 2^80
            units: uint16(units), // a lane of the calendar
            state: PenaltyState.RESERVED
        });
        emit PenaltyReserved(capacity, epoch, units, wanted, reserved);
    }

    /// @inheritdoc ILeaseSettlement
    function addPenalty(
        ITelemetryOracle.Report calldata report,
        bytes32[] calldata proof
    ) external onlyProxy {
        // Check
        (uint256 capacity, uint256 epoch) = ReportLeaf.subject(report);
        PenaltyState state = _penalties[capacity][epoch].state;
        require(state == PenaltyState.UNSHOWN, NotUnshown(capacity, epoch, state));
        Level level = _services[capacity].level; // it was settled
        Reading reading = readingOf(report, epoch);
        uint256 window = level.windowOf(level.endOf(epoch));
        uint256 deadline = level.penaltyDeadline(window);
        require(block.timestamp < deadline, PenaltyTooLate(capacity, epoch, deadline));
        uint256 setId = level.attestorSetOf();
        _requireInRoot(_finalRoot(setId, window), setId, window, report, proof);
        IComputeCapacity.ServiceFaults memory faults = CAPACITY.serviceFaultsOf(capacity);
        require(reading.uptimeOf() < faults.penaltyBelowBps, NoPenalty(capacity, epoch));

        // Effect
        _penalties[capacity][epoch].state = PenaltyState.NONE;
        if (reading.isCurtailed() && _curtail(capacity, epoch, level, faults.curtailmentEpochs))
            return;
        emit PenaltyAdded(capacity, epoch, reading.uptimeOf());
        _punish(capacity, epoch, level, faults.penaltyPerUnit);
        Ledger ledger = _services[capacity].ledger;
        if (epoch + 1 == ledger.nextEpochOf()) {
            _intakes[capacity].barred = true;
            _services[capacity].ledger = ledger.punished();
        }
    }

    /// @inheritdoc ILeaseSettlement
    function claimPenalty(
        uint256 leaseId,
        uint256 epoch,
        address receiver
    ) external onlyProxy returns (uint256 amount) {
        // Check
        Lease memory signed = _leaseOf(leaseId);
        _requireTenant(leaseId);
        require(receiver != address(0) && receiver != address(this), BadReceiver(receiver));
        amount = _penaltyFor(leaseId, signed, epoch);
        require(amount != 0, NothingToClaim(leaseId, epoch));
        uint256 capacity = _capacityOf(leaseId);
        (ITelemetryOracle.Penalties state, uint256 heldUntil) = _penaltiesAt(
            _services[capacity].level,
            epoch
        );
        require(
            state == ITelemetryOracle.Penalties.CLAIMABLE,
            PenaltyNotClaimable(capacity, epoch, state, heldUntil)
        );

        // Effect
        _penaltyClaims[leaseId][epoch / CLAIMS_PER_WORD] |= 1 << (epoch % CLAIMS_PER_WORD);
        emit PenaltyClaimed(leaseId, epoch, receiver, amount);

        // Interaction
        BOND.pay(capacity, epoch, receiver, amount);
    }

    /// @inheritdoc ILeaseSettlement
    function freePenalty(
        uint256 capacity,
        uint256 epoch
    ) external onlyProxy returns (uint256 amount) {
        // Check
        Penalty storage penalty = _penalties[capacity][epoch];
        if (penalty.state != PenaltyState.RESERVED) return 0;
        (ITelemetryOracle.Penalties state, ) = _penaltiesAt(_services[capacity].level, epoch);
        uint256 until = _services[capacity].level.endOf(epoch) + CLAIM_PERIOD;
        require(
            state == ITelemetryOracle.Penalties.WAIVED || block.timestamp >= until,
            StillClaimable(capacity, epoch, until)
        );

        // Effect
        penalty.state = PenaltyState.FREED;
        amount = BOND.free(capacity, epoch);
        emit PenaltyFreed(capacity, epoch, amount);
    }

    /// @inheritdoc ILeaseSettlement
    function trim(uint256 capacity, uint256 to) external onlyProxy {
        uint256 leasedTo = _intakes[capacity].leasedTo;
        uint256 used = _calendars[capacity].firstUsed(to, leasedTo);
        require(to < leasedTo && used == leasedTo, NotTrimmable(capacity, to, leasedTo, used));
        _intakes[capacity].leasedTo = uint24(to); // below what it was
        emit Trimmed(capacity, to);
    }

    /// @dev The engine answers for its tokens; this code is none.
    function tokenURI(uint256 leaseId) public pure override returns (string memory) {
        revert UnknownLease(leaseId);
    }
}
