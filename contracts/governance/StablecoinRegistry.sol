// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Ownable} from "solady/auth/Ownable.sol";
import {IStablecoinRegistry} from "interfaces/IStablecoinRegistry.sol";

interface IERC20Decimals {
    function decimals() external view returns (uint8);
}

/// @title Which stablecoins settle leases
/// @notice See IStablecoinRegistry for the whole documentation.
contract StablecoinRegistry is IStablecoinRegistry, Ownable {
    uint256 internal constant MIN_DECIMALS = 2;
    uint256 internal constant MAX_DECIMALS = 18;

    struct Listing {
        uint8 decimals;
        bool allowed;
    }

    mapping(address token => Listing) internal _listings;

    /// @param owner Who keeps the list: a Safe behind a timelock on a real network.
    constructor(address owner) {
        _initializeOwner(owner);
    }

    /// @inheritdoc IStablecoinRegistry
    function setStablecoin(address token, bool allowed) external onlyOwner {
        uint8 decimals = _decimalsOf(token);
        _listings[token] = Listing({decimals: decimals, allowed: allowed});
        emit StablecoinSet(token, decimals, allowed);
    }

    /// @inheritdoc IStablecoinRegistry
    function isAllowed(address token) external view returns (bool) {
        return _listings[token].allowed;
    }

    /// @inheritdoc IStablecoinRegistry
    function requireAllowed(address token) external view returns (uint8 decimals) {
        Listing memory listing = _listings[token];
        require(listing.allowed, StablecoinNotAllowed(token));
        return listing.decimals;
    }

    /// @dev A token that cannot say its decimals can still be taken off the list: by then they are known.
    function _decimalsOf(address token) internal view returns (uint8) {
        Listing memory listing = _listings[token];
        if (listing.decimals != 0) return listing.decimals;
        require(token.code.length != 0, NotAToken(token));
        (bool ok, bytes memory data) = token.staticcall(
            abi.encodeCall(IERC20Decimals.decimals, ())
        );
        require(ok && data.length >= 32, NotAToken(token));
        uint256 decimals = abi.decode(data, (uint256));
        require(
            decimals >= MIN_DECIMALS && decimals <= MAX_DECIMALS,
            DecimalsOutOfRange(token, decimals)
        );
        return uint8(decimals);
    }
}
