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
        return MerkleProof.processMultiProofCalldata(proof, flags, ReportLeaf.hashAll(reports));
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
        return ReportLeaf.areAllIn(root, reports, proof, flags);
    }
}
