// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {ITelemetryOracle} from "interfaces/ITelemetryOracle.sol";
import {ReportLeaf} from "../libraries/ReportLeaf.sol";
import {LeaseBook} from "./LeaseBook.sol";
import {Ledger} from "./Ledger.sol";
import {Level} from "./Level.sol";
import {Reading} from "./Reading.sol";

/// @title Steps of settling that the engine and its module share
/// @dev The engine settles healthy epochs itself, which is what happens nearly always; everything
/// else, and every batch, is LeaseSettlement's.
abstract contract Settling is LeaseBook {
    using SafeCastLib for uint256;

    // ------------------------------------------------------------------ checks

    /// @dev The next epoch to settle, which must be over, and when it was.
    function _nextEnded(
        uint256 capacity,
        Level level,
        Ledger ledger
    ) internal view returns (uint256 epoch, uint256 endsAt) {
        epoch = ledger.nextEpochOf();
        require(epoch < level.lifetimeOf(), LifetimeSettled(capacity));
        endsAt = _endedAt(capacity, level, epoch);
    }

    /// @dev When the epoch ended, which it must have.
    function _endedAt(
        uint256 capacity,
        Level level,
        uint256 epoch
    ) internal view returns (uint256 endsAt) {
        endsAt = level.endOf(epoch);
        require(block.timestamp >= endsAt, EpochNotEnded(capacity, epoch, endsAt));
    }

    /// @dev The root that reports of a window can be shown against now.
    function _openRoot(Level level, uint256 window) internal view returns (bytes27 root) {
        uint256 setId = level.attestorSetOf();
        root = _finalRoot(setId, window);
        uint256 deadline = level.revealEnd(window);
        require(block.timestamp < deadline, RevealClosed(setId, window, deadline));
    }

    function _finalRoot(uint256 setId, uint256 window) internal view returns (bytes27 root) {
        uint40 finalAt;
        (root, finalAt) = TELEMETRY.standingRootOf(setId, window);
        require(root != 0, NoRoot(setId, window));
        require(block.timestamp >= finalAt, RootNotFinal(setId, window, finalAt));
    }

    /// @dev The report stands in the root of its window, and can be shown now.
    function _requireShown(
        Level level,
        uint256 window,
        ITelemetryOracle.Report calldata report,
        bytes32[] calldata proof
    ) internal view {
        bytes27 root = _openRoot(level, window);
        _requireInRoot(root, level.attestorSetOf(), window, report, proof);
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

    // ------------------------------------------------------------------ closing an epoch

    /// @dev Keeps the reading.
    function _read(Service storage service, Level level, Reading reading) internal {
        service.meter = service.meter.withReading(reading, level.unitsOf());
    }

    function _emitSettled(uint256 capacity, uint256 earned, Reading reading) internal {
        emit EpochSettled(
            capacity,
            reading.epochOf(),
            earned,
            reading.uptimeOf(),
            reading.loadOf(),
            reading.energyOf()
        );
    }

    /// @dev What all leases pay for the epoch that is next: below 2^104, see Ledger. The changes sum to
    /// what the leases pay, so the sum is never negative. Unchecked: a change is below 2^134.
    function _rentAt(
        Service storage service,
        uint256 epoch,
        Ledger ledger
    ) internal view returns (uint256) {
        unchecked {
            return uint256(int256(ledger.rateOf()) + service.rentDeltas[epoch]);
        }
    }

    // ------------------------------------------------------------------ penalties

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
        Level level,
        uint256 epoch
    ) internal view returns (ITelemetryOracle.Penalties state, uint256 heldUntil) {
        return TELEMETRY.penaltiesOf(level.attestorSetOf(), level.windowOf(level.endOf(epoch)));
    }
}
