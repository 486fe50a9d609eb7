// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ERC721} from "solady/tokens/ERC721.sol";
import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";

/// @title Deeds of capacities without terms, prices or attestors
/// @notice Anyone may register one under any id: what matters is owner, clock, payee and coin.
contract MockDeeds is ERC721 {
    struct Deed {
        address payee;
        address stablecoin;
        uint40 origin;
        uint24 epochLength;
    }

    mapping(uint256 capacity => Deed) internal _deeds;

    error UnknownCapacity(uint256 capacity);

    function register(uint256 capacity, address owner, Deed calldata deed) external {
        _deeds[capacity] = deed;
        _mint(owner, capacity);
    }

    function payeeOf(uint256 capacity) external view returns (address payee, address stablecoin) {
        Deed memory deed = _deedOf(capacity);
        return (deed.payee, deed.stablecoin);
    }

    function serviceLevelOf(
        uint256 capacity
    ) external view returns (IComputeCapacity.ServiceLevel memory level) {
        Deed memory deed = _deedOf(capacity);
        level.origin = deed.origin;
        level.epochLength = deed.epochLength;
    }

    function name() public pure override returns (string memory) {
        return "Mock Deeds";
    }

    function symbol() public pure override returns (string memory) {
        return "MOCK";
    }

    function tokenURI(uint256) public pure override returns (string memory) {
        return "";
    }

    function _deedOf(uint256 capacity) internal view returns (Deed memory deed) {
        deed = _deeds[capacity];
        require(deed.epochLength != 0, UnknownCapacity(capacity));
    }
}
