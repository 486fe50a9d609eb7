// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IComputeLease} from "interfaces/IComputeLease.sol";

/// @title The revenue of one capacity, split (ERC-20 shares)
/// @notice Rent that the capacity earns goes first to fixed legs, the rest to the shares. It counts
/// for whoever holds shares at the moment the lease engine settles it, released or not. A holder's
/// dividend is exact whatever moves in between; nobody is ever pushed a payment.
/// @dev The supply is fixed at creation, so a holder's dividend needs no rounding until it is paid:
/// with I the base units ever due to all shares together (`dividendIndex`), a holder of b shares
/// that came at I₀ is due b · (I − I₀) / supply. Shares carry 18 decimals; a transfer to nobody, or
/// to the splitter itself, is refused. Permit (EIP-2612) is version 1 under the share's own name.
interface IRevenueSplitter {
    /// @notice A fixed share of the revenue, before the shares.
    /// @param recipient Who may claim it.
    /// @param bps Its part of all revenue, in bps.
    struct Leg {
        address recipient;
        uint16 bps;
    }

    /// @param amount Base units found that had come by plain transfer.
    event Synced(uint256 amount);
    /// @param holder Whose dividends were paid.
    /// @param receiver Who got them.
    /// @param amount Base units.
    event DividendClaimed(address indexed holder, address indexed receiver, uint256 amount);
    /// @param leg Index of the leg.
    /// @param receiver Who got it.
    /// @param amount Base units.
    event LegClaimed(uint256 indexed leg, address indexed receiver, uint256 amount);
    /// @param leg Index of the leg.
    /// @param from Its recipient until now.
    /// @param to Its recipient from now on; what it is owed goes with it.
    event LegMoved(uint256 indexed leg, address indexed from, address indexed to);

    /// @dev Only the splitter's factory initializes, once.
    error NotFactory(address caller);
    /// @dev `caller` is not the recipient of `leg`.
    error NotLegRecipient(uint256 leg, address caller);
    /// @dev No leg of this index.
    error UnknownLeg(uint256 leg, uint256 count);
    /// @dev An address that must be set is zero, or the splitter itself.
    error BadReceiver(address receiver);

    /// @notice Writes the legs and gives all shares to `holder`. Factory only, which calls it once.
    /// @dev The factory answers for the bounds: legs of 9,000 bps together at most.
    function initialize(address holder, Leg[] calldata newLegs) external;

    /// @notice Pays the caller's dividends to `to`, pulling what the lease engine owes if needed.
    /// @return amount Base units of the settlement stablecoin, rounded down; what is cut off stays
    /// due to the holder. 0 if there is nothing.
    function claim(address to) external returns (uint256 amount);

    /// @notice Pays `holder`'s dividends to `holder`. Anyone.
    /// @dev A contract that holds shares for others can thus be paid at any time: it must go by
    /// `dividendIndex`, not by what its own calls to `claim` return.
    /// @return amount As in `claim`.
    function claimFor(address holder) external returns (uint256 amount);

    /// @notice Pays what leg `leg` is owed to `to`, rounded down. Its recipient only.
    /// @return amount As in `claim`.
    function claimLeg(uint256 leg, address to) external returns (uint256 amount);

    /// @notice Hands leg `leg`, with all it is owed, to another recipient. Its recipient only.
    function moveLeg(uint256 leg, address to) external;

    /// @notice Finds the settlement stablecoin that came by plain transfer and counts it as
    /// revenue, for the legs and for those who hold shares now. Anyone.
    /// @return amount Base units found.
    function sync() external returns (uint256 amount);

    /// @notice What `claim` would pay `holder` now, in base units, rounded down.
    function claimable(address holder) external view returns (uint256);

    /// @notice What `claimLeg` would pay now.
    function legClaimable(uint256 leg) external view returns (uint256);

    /// @notice Base units ever due to all shares together, released by the engine or not: all
    /// revenue less the legs' part, which is rounded up here. Never falls.
    function dividendIndex() external view returns (uint256);

    /// @notice Revenue ever counted, and how much of it has been paid out, in base units.
    function totals() external view returns (uint256 received, uint256 paid);

    /// @notice A leg. Reverts with `UnknownLeg`.
    function legOf(uint256 leg) external view returns (Leg memory);

    /// @notice How many legs there are, and their bps together.
    function legs() external view returns (uint256 count, uint256 bps);

    /// @notice The capacity whose revenue this splits.
    function CAPACITY_ID() external view returns (uint256);

    /// @notice The settlement stablecoin.
    function STABLECOIN() external view returns (address);

    /// @notice The lease engine that owes the rent.
    function LEASE() external view returns (IComputeLease);

    /// @notice Who made this splitter.
    function FACTORY() external view returns (address);
}
