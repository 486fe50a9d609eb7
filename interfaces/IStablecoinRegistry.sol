// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Which stablecoins settle leases
/// @notice An owner's allow-list. A token leaves the list for new registrations only: what already
/// runs on it is never touched.
/// @dev Admit plain ERC-20s only: tokens that take a fee on transfer, rebase, or call the receiver
/// are not safe here, and no code can tell them apart from outside.
interface IStablecoinRegistry {
    /// @param token The stablecoin.
    /// @param decimals Its decimals, read when it was listed.
    /// @param allowed Whether new capacities may settle in it.
    event StablecoinSet(address indexed token, uint8 decimals, bool allowed);

    /// @dev `token` has no code, or does not answer `decimals()` with a number.
    error NotAToken(address token);
    /// @dev `decimals` of `token` lie outside 2 … 18.
    error DecimalsOutOfRange(address token, uint256 decimals);
    /// @dev `token` is not on the list.
    error StablecoinNotAllowed(address token);

    /// @notice Lists `token`, or takes it off. Owner only.
    function setStablecoin(address token, bool allowed) external;

    /// @notice Whether new capacities may settle in `token`.
    function isAllowed(address token) external view returns (bool);

    /// @notice Reverts with `StablecoinNotAllowed` unless `token` is on the list.
    /// @return decimals The token's decimals, as read when it was listed.
    function requireAllowed(address token) external view returns (uint8 decimals);
}
