// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {ITelemetryOracle} from "interfaces/ITelemetryOracle.sol";
import {EpochClock} from "../libraries/EpochClock.sol";
import {ReportLeaf} from "../libraries/ReportLeaf.sol";
import {LeaseBook} from "./LeaseBook.sol";
import {Performance as Averages} from "./Performance.sol";

/// @title Steps of settling that the engine and its module share
/// @dev The engine settles healthy epochs itself, which is what happens nearly always; everything
/// else is LeaseSettlement's.
abstract contract Settling is LeaseBook {
    using Averages for ITelemetryOracle.Report;
    using FixedPointMathLib for uint256;
    using SafeCastLib for uint256;

    /// @dev The next epoch to settle, which must be over.
    function _nextEnded(
        uint256 capacity,
        IComputeCapacity.ServiceLevel memory level
    ) internal view returns (uint256 epoch, uint256 endsAt) {
        epoch = _ledgers[capacity].nextEpoch;
        require(epoch < level.lifetimeEpochs, LifetimeSettled(capacity));
        endsAt = _endedAt(capacity, level, epoch);
    }

    /// @dev When the epoch ended, which it must have.
    function _endedAt(
        uint256 capacity,
        IComputeCapacity.ServiceLevel memory level,
        uint256 epoch
    ) internal view returns (uint256 endsAt) {
        endsAt = EpochClock.endOf(level.origin, level.epochLength, epoch);
        require(block.timestamp >= endsAt, EpochNotEnded(capacity, epoch, endsAt));
    }

    /// @dev A share above the whole, or more energy than fits, is no reading, whoever signed it.
    function _requireReading(ITelemetryOracle.Report calldata report) internal pure {
        require(report.uptimeBps <= BPS, ReportOutOfRange("uptimeBps", report.uptimeBps));
        require(report.loadBps <= BPS, ReportOutOfRange("loadBps", report.loadBps));
        require(
            report.energyWh <= type(uint48).max,
            ReportOutOfRange("energyWh", report.energyWh)
        );
    }

    /// @dev The root that the reports of a window can be shown against now.
    function _openRoot(
        IComputeCapacity.ServiceLevel memory level,
        uint256 window
    ) internal view returns (bytes27 root) {
        root = _finalRoot(level.attestorSet, window);
        uint256 deadline = EpochClock.endOfWindow(window, level.windowLength) + level.revealSpan;
        require(
            block.timestamp < deadline,
            RevealClosed(level.attestorSet, window, deadline)
        );
    }

    function _finalRoot(uint256 setId, uint256 window) internal view returns (bytes27 root) {
        uint40 finalAt;
        (root, finalAt) = TELEMETRY.standingOf(setId, window);
        require(root != 0, NoRoot(setId, window));
        require(block.timestamp >= finalAt, RootNotFinal(setId, window, finalAt));
    }

    function _requireInRoot(
        bytes27 root,
        uint256 setId,
        uint256 window,
        ITelemetryOracle.Report calldata report,
        bytes32[] calldata proof
    ) internal pure {
        bytes32 leaf = ReportLeaf.hash(report);
        require(
            bytes27(MerkleProof.processProofCalldata(proof, leaf)) == root,
            NotInRoot(setId, window, leaf)
        );
    }

    /// @dev Closes an epoch of full service for all leases of the capacity at once. No token moves.
    function _closeHealthy(
        uint256 capacity,
        uint256 epoch,
        uint256 units,
        ITelemetryOracle.Report memory report
    ) internal {
        Ledger memory ledger = _ledgers[capacity];
        uint256 rent = _rentAt(capacity, epoch, ledger);
        if (ledger.inPenalty) _setInPenalty(capacity, ledger, false);
        ledger.nextEpoch = uint24(epoch + 1); // at most the lifetime
        ledger.rate = rent.toUint104();
        ledger.earned = (ledger.earned + rent).toUint120();
        _ledgers[capacity] = ledger;
        _performances[capacity] = report.added(_performances[capacity], units);
        emit EpochSettled(
            capacity,
            epoch,
            rent,
            0,
            0,
            ITelemetryOracle.Status.REPORTED,
            report.uptimeBps,
            report.loadBps,
            report.energyWh
        );
    }

    /// @dev What all leases pay for the epoch that is next.
    function _rentAt(
        uint256 capacity,
        uint256 epoch,
        Ledger memory ledger
    ) internal view returns (uint256) {
        return uint256(int256(uint256(ledger.rate)) + _rentDeltas[capacity][epoch]);
    }

    /// @dev New leases are barred while the newest settled epoch is in penalty.
    function _setInPenalty(uint256 capacity, Ledger memory ledger, bool inPenalty) internal {
        ledger.inPenalty = inPenalty;
        _intakes[capacity].barred = inPenalty;
    }

    // ------------------------------------------------------------------ penalties

    function _windowOf(
        IComputeCapacity.ServiceLevel memory level,
        uint256 epoch
    ) internal pure returns (uint256) {
        uint256 endsAt = EpochClock.endOf(level.origin, level.epochLength, epoch);
        return EpochClock.windowOf(endsAt, level.windowLength);
    }

    /// @dev When a penalty that was held back can no longer be added.
    function _penaltyDeadline(
        IComputeCapacity.ServiceLevel memory level,
        uint256 window
    ) internal pure returns (uint256) {
        uint256 windowEnd = EpochClock.endOfWindow(window, level.windowLength);
        return windowEnd + level.revealSpan + level.revealPeriod;
    }

    /// @dev What a lease has not claimed of an epoch's penalty, rounded down; whether it can now is
    /// another question.
    function _penaltyFor(
        uint256 leaseId,
        Lease memory signed,
        uint256 epoch
    ) internal view returns (uint256 amountDown) {
        if (epoch < signed.start || epoch >= signed.fundedTo) return 0;
        uint256 claims = _penaltyClaims[leaseId][epoch / CLAIMS_PER_WORD];
        if ((claims >> (epoch % CLAIMS_PER_WORD)) & 1 != 0) return 0;
        Penalty memory penalty = _penalties[_capacityOf(leaseId)][epoch];
        if (penalty.state != PenaltyState.RESERVED) return 0;
        amountDown = uint256(penalty.perUnit) * signed.units;
    }

    /// @dev How the penalties of the epoch's window stand.
    function _penaltiesAt(
        uint256 capacity,
        uint256 epoch
    ) internal view returns (ITelemetryOracle.Penalties state, uint256 heldUntil) {
        IComputeCapacity.ServiceLevel memory level = _clockOf(capacity);
        return TELEMETRY.penaltiesOf(level.attestorSet, _windowOf(level, epoch));
    }
}
