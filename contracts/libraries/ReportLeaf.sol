// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {MerkleProofLib} from "solady/utils/MerkleProofLib.sol";
import {ITelemetryOracle} from "interfaces/ITelemetryOracle.sol";

/// @title A report as it stands in the tree
library ReportLeaf {
    /// @dev A report has no dynamic part: its words in calldata are its encoding.
    uint256 internal constant REPORT_SIZE = 6 * 32;

    /// @notice The double hash of a report, as OpenZeppelin's StandardMerkleTree makes leaves:
    /// keccak256(bytes.concat(keccak256(abi.encode(report)))).
    /// @dev Hashes the words as they came. One that is wider than its field makes another leaf, which
    /// no tree of reports has.
    function hash(ITelemetryOracle.Report calldata report) internal pure returns (bytes32 leaf) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, report, REPORT_SIZE)
            mstore(0x00, keccak256(free, REPORT_SIZE))
            leaf := keccak256(0x00, 0x20)
        }
    }

    /// @notice Whether all reports stand in the tree of the root.
    function areAllIn(
        bytes32 root,
        ITelemetryOracle.Report[] calldata reports,
        bytes32[] calldata proof,
        bool[] calldata proofFlags
    ) internal pure returns (bool) {
        return MerkleProofLib.verifyMultiProof(proof, root, hashAll(reports), words(proofFlags));
    }

    /// @dev Copies flags as they came: what is not 0 is set, as the library reads it.
    function words(bool[] calldata flags) private pure returns (bool[] memory copy) {
        assembly ("memory-safe") {
            copy := mload(0x40)
            let size := shl(5, flags.length)
            mstore(copy, flags.length)
            calldatacopy(add(copy, 0x20), flags.offset, size)
            mstore(0x40, add(add(copy, 0x20), size))
        }
    }

    /// @notice The leaves of the reports, in their order.
    function hashAll(
        ITelemetryOracle.Report[] calldata reports
    ) internal pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](reports.length);
        assembly ("memory-safe") {
            let free := mload(0x40)
            let leaf := add(leaves, 0x20)
            let end := add(reports.offset, mul(reports.length, REPORT_SIZE))
            for {
                let report := reports.offset
            } lt(report, end) {
                report := add(report, REPORT_SIZE)
            } {
                calldatacopy(free, report, REPORT_SIZE)
                mstore(0x00, keccak256(free, REPORT_SIZE))
                mstore(leaf, keccak256(0x00, 0x20))
                leaf := add(leaf, 0x20)
            }
        }
    }

    /// @notice The report at an index, which must be below their number.
    /// @dev Unchecked, as whoever walks over all of them compares with their number already.
    function at(
        ITelemetryOracle.Report[] calldata reports,
        uint256 index
    ) internal pure returns (ITelemetryOracle.Report calldata report) {
        assembly ("memory-safe") {
            report := add(reports.offset, mul(index, REPORT_SIZE))
        }
    }

    /// @notice What the report is of, as whole words: the epoch is to be compared, not cut.
    function subject(
        ITelemetryOracle.Report calldata report
    ) internal pure returns (uint256 capacity, uint256 epoch) {
        assembly ("memory-safe") {
            capacity := calldataload(report)
            epoch := calldataload(add(report, 0x20))
        }
    }
}
