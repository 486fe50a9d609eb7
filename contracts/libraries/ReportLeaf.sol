// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {EfficientHashLib} from "solady/utils/EfficientHashLib.sol";
import {ITelemetryOracle} from "interfaces/ITelemetryOracle.sol";

/// @title A report as it stands in the tree
library ReportLeaf {
    /// @notice The double hash of a report, as OpenZeppelin's StandardMerkleTree makes leaves.
    function hash(ITelemetryOracle.Report calldata report) internal pure returns (bytes32) {
        return EfficientHashLib.hash(keccak256(abi.encode(report)));
    }
}
