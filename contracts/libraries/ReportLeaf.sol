// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

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

    /// @notice What was measured, as whole words.
    /// @dev Saves the checks of the fields' widths: who asks checks tighter bounds.
    function reading(
        ITelemetryOracle.Report calldata report
    ) internal pure returns (uint256 uptimeBps, uint256 loadBps, uint256 energyWh) {
        assembly ("memory-safe") {
            uptimeBps := calldataload(add(report, 0x40))
            loadBps := calldataload(add(report, 0x60))
            energyWh := calldataload(add(report, 0x80))
        }
    }
}
