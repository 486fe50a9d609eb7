// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";

/// @title A service-level schedule in less than half a word
/// @notice Up to four tiers of 28 bits, the first lowest: 14 bits of threshold, then 14 of credit,
/// both in bps. An unused tier is zero. Thresholds fall and credits rise from tier to tier.
library SlaSchedule {
    uint256 internal constant MAX_TIERS = 4;
    uint256 internal constant FULL = 1e4;
    uint256 internal constant TIER_BITS = 28;
    uint256 internal constant FIELD_BITS = 14;
    /// @dev The most that a field holds: no share is above 10,000.
    uint256 internal constant FIELD_MASK = (1 << FIELD_BITS) - 1;

    /// @notice Packs tiers that have been checked: at most four, ordered, none above 10,000.
    function pack(
        IComputeCapacity.SlaTier[] calldata tiers
    ) internal pure returns (uint112 schedule) {
        for (uint256 i; i < tiers.length; ++i) {
            uint256 tier =
                (uint256(tiers[i].creditBps) << FIELD_BITS) | uint256(tiers[i].uptimeBelowBps);
            // Below 2^112, since there are at most four tiers of 28 bits.
            schedule |= uint112(tier << (TIER_BITS * i));
        }
    }

    /// @notice The tiers that `pack` was given.
    function unpack(
        uint256 schedule
    ) internal pure returns (IComputeCapacity.SlaTier[] memory tiers) {
        uint256 count;
        while (count < MAX_TIERS && schedule >> (TIER_BITS * count) != 0) ++count;
        tiers = new IComputeCapacity.SlaTier[](count);
        for (uint256 i; i < count; ++i) {
            uint256 tier = schedule >> (TIER_BITS * i);
            // Each field is below 2^14.
            tiers[i] = IComputeCapacity.SlaTier({
                uptimeBelowBps: uint16(tier & FIELD_MASK),
                creditBps: uint16((tier >> FIELD_BITS) & FIELD_MASK)
            });
        }
    }

    /// @notice Credit of an epoch with this uptime, in bps: that of the last tier that applies. Where
    /// nothing ran at all, everything goes back, whatever the tiers say.
    function creditFor(
        uint256 schedule,
        uint256 uptimeBps
    ) internal pure returns (uint256 creditBps) {
        if (uptimeBps == 0) return FULL;
        while (uptimeBps < schedule & FIELD_MASK) {
            creditBps = (schedule >> FIELD_BITS) & FIELD_MASK;
            schedule >>= TIER_BITS;
        }
    }
}
