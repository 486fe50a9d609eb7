// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
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
import {Ledger, ledgerOf} from "./Ledger.sol";
import {Level, levelOf} from "./Level.sol";
import {Settling} from "./Settling.sol";

/// @title The part of the lease engine that settles what is not plainly healthy
/// @notice See ILeaseSettlement for the whole documentation. ComputeLease runs this code by
/// delegatecall, on its own storage; called directly, it refuses.
contract LeaseSettlement is ILeaseSettlement, Settling, CallContextChecker {
    using Calendar for mapping(uint256 word => uint256 lanes);
    using Checkpoints for Checkpoints.Trace224;
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
        uint256 capacity = report.capacity;
        Level level = _known(capacity);
        (uint256 epoch, uint256 endsAt) = _nextEnded(capacity, level, _services[capacity].ledger);
        require(report.epoch == epoch, NotNextEpoch(capacity, report.epoch, epoch));
        _requireReading(report.uptimeBps, report.loadBps, report.energyWh);
        _requireShown(level, level.windowOf(endsAt), report, proof);

        _closeReported(capacity, level, report);
    }

    /// @inheritdoc ILeaseSettlement
    function settleMany(
        ITelemetryOracle.Report[] calldata reports,
        bytes32[] calldata proof,
        bool[] calldata proofFlags
    ) external onlyProxy {
        if (reports.length == 0) return;
        ITelemetryOracle.Report calldata first = reports[0];
        Level level = _known(first.capacity);
        uint256 setId = level.attestorSetOf();
        uint256 window = _windowIn(level, first.epoch);
        _requireAllShown(level, window, reports, proof, proofFlags);

        for (uint256 i; i < reports.length; ++i) {
            _settleOne(reports[i], i, setId, window);
        }
    }

    /// @dev The report at an index of those proved, which must be of this set and window: closes its
    /// epoch, or is kept until its turn.
    function _settleOne(
        ITelemetryOracle.Report calldata report,
        uint256 index,
        uint256 setId,
        uint256 window
    ) internal {
        (uint256 capacity, uint256 epoch) = (report.capacity, report.epoch);
        Level level = _known(capacity);
        uint256 ownWindow = _windowIn(level, epoch);
        require(
            level.attestorSetOf() == setId && ownWindow == window,
            OtherWindow(index, level.attestorSetOf(), ownWindow)
        );
        (uint256 uptimeBps, uint256 loadBps, uint256 energyWh) = ReportLeaf.reading(report);
        _requireReading(uptimeBps, loadBps, energyWh);

        Service storage service = _services[capacity];
        Ledger ledger = service.ledger;
        if (epoch != ledger.nextEpochOf()) {
            if (epoch > ledger.nextEpochOf()) _recordOnce(capacity, report);
        } else if (uptimeBps < level.healthyBpsOf() || report.curtailed) {
            _closeReported(capacity, level, report);
        } else {
            _read(service, level, epoch, uptimeBps, loadBps, energyWh);
            _closeHealthy(service, ledger, capacity, epoch, uptimeBps, loadBps, energyWh);
        }
    }

    function _recordOnce(uint256 capacity, ITelemetryOracle.Report calldata report) internal {
        if (!_records[capacity][report.epoch].shown) _record(capacity, report);
    }

    /// @inheritdoc ILeaseSettlement
    function record(
        ITelemetryOracle.Report calldata report,
        bytes32[] calldata proof
    ) external onlyProxy {
        // Check
        uint256 capacity = report.capacity;
        uint256 epoch = report.epoch;
        Level level = _known(capacity);
        uint256 next = _services[capacity].ledger.nextEpochOf();
        require(epoch >= next, NotNextEpoch(capacity, epoch, next));
        _requireWithin(level, epoch, epoch + 1);
        require(!_records[capacity][epoch].shown, AlreadyRecorded(capacity, epoch));
        uint256 endsAt = _endedAt(capacity, level, epoch);
        _requireReading(report.uptimeBps, report.loadBps, report.energyWh);
        _requireShown(level, level.windowOf(endsAt), report, proof);

        // Effect
        _record(capacity, report);
    }

    function _record(uint256 capacity, ITelemetryOracle.Report calldata report) internal {
        _records[capacity][report.epoch] = Record({
            shown: true,
            uptimeBps: report.uptimeBps,
            loadBps: report.loadBps,
            energyWh: uint48(report.energyWh), // a reading's
            curtailed: report.curtailed
        });
        emit ReportRecorded(
            capacity,
            report.epoch,
            report.uptimeBps,
            report.loadBps,
            report.energyWh,
            report.curtailed
        );
    }

    /// @inheritdoc ILeaseSettlement
    function settleMissing(uint256 capacity) external onlyProxy {
        Level level = _known(capacity);
        (uint256 epoch, uint256 endsAt) = _nextEnded(capacity, level, _services[capacity].ledger);
        Record memory kept = _records[capacity][epoch];
        ITelemetryOracle.Report memory report;
        report.capacity = capacity;
        report.epoch = uint24(epoch); // below the lifetime
        if (kept.shown) {
            report.uptimeBps = kept.uptimeBps;
            report.loadBps = kept.loadBps;
            report.energyWh = kept.energyWh;
            report.curtailed = kept.curtailed;
            return _closeReported(capacity, level, report);
        }
        ITelemetryOracle.Status status = TELEMETRY.statusOf(level.attestorSetOf(), endsAt);
        if (status == ITelemetryOracle.Status.MISSING) {
            // No proof, no pay; and what was not shown counts as what it may hide.
            _penalties[capacity][epoch].state = PenaltyState.UNSHOWN;
            _read(_services[capacity], level, epoch, 0, 0, 0);
            _close(capacity, report, BPS, false);
        } else {
            require(
                status == ITelemetryOracle.Status.BLACKOUT,
                ReportStillPossible(capacity, epoch, status)
            );
            // Tenants do not gain from an outage of the attestors.
            uint256 bps = CAPACITY.serviceFaultsOf(capacity).blackoutCreditBps;
            _close(capacity, report, bps, false);
        }
        emit EpochUnreported(capacity, epoch, status);
    }

    /// @inheritdoc ILeaseSettlement
    function passIdle(uint256 capacity, uint256 to) external onlyProxy {
        // Check
        Level level = _known(capacity);
        Ledger ledger = _services[capacity].ledger;
        uint256 from = ledger.nextEpochOf();
        if (to <= from) return;
        _requireWithin(level, from, to);
        _endedAt(capacity, level, to - 1);
        uint256 used = _calendars[capacity].firstUsed(from, to);
        require(used == to, EpochNotIdle(capacity, used));

        // Effect. Nothing leased, nothing owed: every rent that was running has ended by `from`.
        _setInPenalty(capacity, ledger, false);
        _services[capacity].ledger = ledgerOf(to, 0, ledger.earnedOf(), false);
        emit IdleEpochsPassed(capacity, from, to);
    }

    /// @dev The capacity's service level, copied from the deeds once.
    function _known(uint256 capacity) internal returns (Level level) {
        level = _services[capacity].level;
        if (!level.isKnown()) {
            level = levelOf(CAPACITY.serviceLevelOf(capacity));
            _services[capacity].level = level;
        }
    }

    function _requireWithin(Level level, uint256 from, uint256 to) internal pure {
        require(to <= level.lifetimeOf(), BadRange(from, to, level.lifetimeOf()));
    }

    /// @dev All reports stand in the root of the window, and can be shown now.
    function _requireAllShown(
        Level level,
        uint256 window,
        ITelemetryOracle.Report[] calldata reports,
        bytes32[] calldata proof,
        bool[] calldata proofFlags
    ) internal view {
        bytes32[] memory leaves = new bytes32[](reports.length);
        for (uint256 i; i < leaves.length; ++i) {
            leaves[i] = ReportLeaf.hash(reports[i]);
        }
        bytes27 root = _openRoot(level, window);
        bytes32 found = MerkleProof.processMultiProofCalldata(proof, proofFlags, leaves);
        require(bytes27(found) == root, NotAllInRoot(level.attestorSetOf(), window));
    }

    /// @dev The window that an epoch is of, which must be one of the capacity's.
    function _windowIn(Level level, uint256 epoch) internal pure returns (uint256 window) {
        _requireWithin(level, epoch, epoch + 1);
        return level.windowOf(level.endOf(epoch));
    }

    // ------------------------------------------------------------------ closing an epoch

    /// @dev Closes the epoch that is next by its report, which has been proved.
    function _closeReported(
        uint256 capacity,
        Level level,
        ITelemetryOracle.Report memory report
    ) internal {
        Service storage service = _services[capacity];
        (uint256 epoch, uint256 uptimeBps) = (report.epoch, report.uptimeBps);
        (uint256 loadBps, uint256 energyWh) = (report.loadBps, report.energyWh);
        _read(service, level, epoch, uptimeBps, loadBps, energyWh);
        if (uptimeBps >= level.healthyBpsOf() && !report.curtailed) {
            Ledger ledger = service.ledger;
            return _closeHealthy(service, ledger, capacity, epoch, uptimeBps, loadBps, energyWh);
        }
        IComputeCapacity.ServiceFaults memory faults = CAPACITY.serviceFaultsOf(capacity);
        if (report.curtailed && _curtail(capacity, epoch, level, faults.curtailmentEpochs)) {
            uint256 bps = faults.curtailmentCreditBps;
            return _close(capacity, report, bps, false);
        }
        bool inPenalty = uptimeBps < faults.penaltyBelowBps;
        if (inPenalty) _punish(capacity, epoch, level, faults.penaltyPerUnit);
        uint256 creditBps = SlaSchedule.creditFor(faults.tiers, uptimeBps);
        _close(capacity, report, creditBps, inPenalty);
    }

    /// @dev Closes the epoch for all leases of the capacity at once. No token moves. An epoch without
    /// rent has no credit.
    function _close(
        uint256 capacity,
        ITelemetryOracle.Report memory report,
        uint256 bps,
        bool inPenalty
    ) internal {
        Service storage service = _services[capacity];
        Ledger ledger = service.ledger;
        uint256 epoch = report.epoch;
        uint256 rent = _rentAt(capacity, epoch, ledger);
        if (rent == 0) bps = 0;
        uint256 creditUp = rent.mulDivUp(bps, BPS);
        if (bps != 0) {
            Checkpoints.Trace224 storage sums = _creditSums[capacity];
            // Epochs and their sum of at most 10^4 each are far below the fields' widths.
            sums.push(uint32(epoch + 1), uint224(sums.latest() + bps));
            emit EpochCredited(capacity, epoch, bps, creditUp);
        }
        _setInPenalty(capacity, ledger, inPenalty);
        uint256 earned = rent - creditUp;
        service.ledger = ledgerOf(epoch + 1, rent, ledger.earnedOf() + earned, inPenalty);
        emit EpochSettled(
            capacity,
            epoch,
            earned,
            report.uptimeBps,
            report.loadBps,
            report.energyWh
        );
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
        uint256 capacity = report.capacity;
        uint256 epoch = report.epoch;
        PenaltyState state = _penalties[capacity][epoch].state;
        require(state == PenaltyState.UNSHOWN, NotUnshown(capacity, epoch, state));
        Level level = _services[capacity].level; // it was settled
        _requireReading(report.uptimeBps, report.loadBps, report.energyWh);
        uint256 window = level.windowOf(level.endOf(epoch));
        uint256 deadline = level.penaltyDeadline(window);
        require(block.timestamp < deadline, PenaltyTooLate(capacity, epoch, deadline));
        uint256 setId = level.attestorSetOf();
        _requireInRoot(_finalRoot(setId, window), setId, window, report, proof);
        IComputeCapacity.ServiceFaults memory faults = CAPACITY.serviceFaultsOf(capacity);
        require(report.uptimeBps < faults.penaltyBelowBps, NoPenalty(capacity, epoch));

        // Effect
        _penalties[capacity][epoch].state = PenaltyState.NONE;
        if (report.curtailed && _curtail(capacity, epoch, level, faults.curtailmentEpochs)) return;
        emit PenaltyAdded(capacity, epoch, report.uptimeBps);
        _punish(capacity, epoch, level, faults.penaltyPerUnit);
        Ledger ledger = _services[capacity].ledger;
        if (epoch + 1 == ledger.nextEpochOf()) {
            _setInPenalty(capacity, ledger, true);
            _services[capacity].ledger = ledgerOf(
                epoch + 1,
                ledger.rateOf(),
                ledger.earnedOf(),
                true
            );
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
