// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {MerkleProofLib} from "solady/utils/MerkleProofLib.sol";
import {ReportLeaf} from "../libraries/ReportLeaf.sol";
import {ITelemetryOracle} from "interfaces/ITelemetryOracle.sol";

/// @title Opens leaves, proofs and multiproofs to tests, as two libraries check them
contract ReportProbe {
    function leafOf(ITelemetryOracle.Report calldata report) external pure returns (bytes32) {
        return ReportLeaf.hash(report);
    }

    function rootOf(
        ITelemetryOracle.Report calldata report,
        bytes32[] calldata proof
    ) external pure returns (bytes32) {
        return MerkleProof.processProofCalldata(proof, ReportLeaf.hash(report));
    }

    function rootOfMany(
        ITelemetryOracle.Report[] calldata reports,
        bytes32[] calldata proof,
        bool[] calldata flags
    ) external pure returns (bytes32) {
        return MerkleProof.processMultiProofCalldata(proof, flags, _leaves(reports));
    }

    /// @notice The same questions to the other library.
    function verify(
        bytes32 root,
        ITelemetryOracle.Report calldata report,
        bytes32[] calldata proof
    ) external pure returns (bool) {
        return MerkleProofLib.verifyCalldata(proof, root, ReportLeaf.hash(report));
    }

    function verifyMany(
        bytes32 root,
        ITelemetryOracle.Report[] calldata reports,
        bytes32[] calldata proof,
        bool[] calldata flags
    ) external pure returns (bool) {
        return MerkleProofLib.verifyMultiProof(proof, root, _leaves(reports), flags);
    }

    function _leaves(
        ITelemetryOracle.Report[] calldata reports
    ) internal pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](reports.length);
        for (uint256 i; i < reports.length; ++i) {
            leaves[i] = ReportLeaf.hash(reports[i]);
        }
    }
}
